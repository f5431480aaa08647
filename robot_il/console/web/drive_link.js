// The hand on the page: joystick, keyboard and pads, sent over a socket of their own; and the emergency stop.
//
// The rules that make it safe:
//   - a hand is made and sent at the moment, never stored, never sent again;
//   - each hand names the newest stamp that came from the server, so that one which waited on the way is known as stale;
//   - a page that is hidden, or that loses the focus with the stick held, lets go at once and then says nothing: it is
//     the loop that zeroes what it no longer hears;
//   - the space bar and the red button stop the robot whoever drives, whatever has the focus.
const PERIOD_MS = 50;
const DEVICE = { pad: 2, keys: 3, stick: 4 };
const KEYS = {
  ArrowUp: [1, 0], ArrowDown: [-1, 0], ArrowLeft: [0, 1], ArrowRight: [0, -1],
  KeyW: [1, 0], KeyS: [-1, 0], KeyA: [0, 1], KeyD: [0, -1],
};
const REST = ["absent", "idle"];

function typing(target) {
  return !!target?.closest?.("input, textarea, select, [contenteditable=''], [contenteditable='true']");
}

export default {
  template: `<div class="ril-lost" role="alert">No connection to the console: this page shows nothing new and cannot drive.</div>`,
  props: { client: String },
  mounted() {
    this.state = { phase: "absent", mine: false };
    this.stamp = 0;
    this.sequence = 0;
    this.keys = new Set();
    this.held = false; // the stick on the page
    this.silent = false;
    this.alone = false;
    this.padId = "";
    window.robotIl = { stick: (held, forward, turn) => this.stick(held, forward, turn), stop: () => this.stop() };
    this.listeners = [
      [window, "keydown", this.keydown, true],
      [window, "keyup", this.keyup, true],
      [window, "blur", this.blur, false],
      [window, "focus", this.heard, false],
      [window, "pointerdown", this.pointerdown, true],
      [window, "pagehide", this.hide, false],
      [document, "visibilitychange", () => (document.hidden ? this.hide() : this.heard()), false],
    ];
    for (const [target, name, handler, capture] of this.listeners) target.addEventListener(name, handler, capture);
    this.timer = setInterval(this.beat, PERIOD_MS);
    this.open();
  },
  unmounted() {
    clearInterval(this.timer);
    this.alone = true;
    this.socket?.close();
    for (const [target, name, handler, capture] of this.listeners) target.removeEventListener(name, handler, capture);
  },
  methods: {
    open() {
      if (this.alone) return;
      const scheme = location.protocol === "https:" ? "wss" : "ws";
      const socket = new WebSocket(`${scheme}://${location.host}/drive?client=${encodeURIComponent(this.client)}`);
      this.socket = socket;
      socket.onopen = () => document.body.classList.remove("ril-offline");
      socket.onmessage = (message) => {
        const told = JSON.parse(message.data);
        this.stamp = told.stamp;
        this.state = told;
      };
      socket.onclose = () => {
        this.state = { ...this.state, mine: false };
        document.body.classList.add("ril-offline");
        if (!this.alone) setTimeout(() => this.open(), 500);
      };
    },
    send(message) {
      // Behind a stalled socket hands would only grow old: what does not leave at once does not leave.
      if (this.socket?.readyState !== WebSocket.OPEN) return false;
      if ("hand" in message && this.socket.bufferedAmount > 1024) return false;
      this.socket.send(JSON.stringify(message));
      return true;
    },
    stop() {
      if (!this.send({ estop: true })) fetch("/estop", { method: "POST", keepalive: true });
    },
    // Every 50 ms, also when nothing is held: the loop wants to hear that the driver is there.
    beat() {
      if (!this.silent && !document.hidden) this.hand();
    },
    hand() {
      const now = this.now();
      this.tell();
      // The pad of an onlooker is sent too: it has an emergency stop.
      if (this.silent || !(this.state.mine || now.device === DEVICE.pad)) return;
      this.send({ hand: { ...now, seq: ++this.sequence, stamp: this.stamp } });
    },
    now() {
      if (this.held) return { device: DEVICE.stick, forward: this.forward, turn: this.turn, deadman: true };
      const [forward, turn] = this.pressed();
      if (this.keys.size) return { device: DEVICE.keys, forward, turn, deadman: true };
      const pad = this.pad();
      if (pad) return pad;
      return { device: DEVICE.stick, forward: 0, turn: 0, deadman: false };
    },
    pressed() {
      let forward = 0, turn = 0;
      for (const key of this.keys) { forward += KEYS[key][0]; turn += KEYS[key][1]; }
      return [Math.sign(forward), Math.sign(turn)];
    },
    pad() {
      const pad = [...(navigator.getGamepads?.() ?? [])].find((found) => found?.connected);
      this.padId = pad?.id ?? "";
      if (!pad) return null;
      let buttons = 0;
      pad.buttons.slice(0, 32).forEach((button, index) => { if (button.pressed) buttons += 2 ** index; });
      return { device: DEVICE.pad, axes: pad.axes.slice(0, 8), buttons, pad: pad.id.slice(0, 128), standard: pad.mapping === "standard" };
    },
    stick(held, forward, turn) {
      this.held = held;
      this.forward = forward;
      this.turn = turn;
      this.hand();
    },
    release() {
      this.keys.clear();
      this.held = false; // before the stick springs back, which is no message of its own
      window.dispatchEvent(new Event("ril-release"));
    },
    keydown(event) {
      if (event.code === "Space" && !REST.includes(this.state.phase)) {
        event.preventDefault();
        event.stopImmediatePropagation();
        if (!event.repeat) this.stop();
        return;
      }
      if (!(event.code in KEYS) || event.ctrlKey || event.metaKey || event.altKey) return;
      // Only where the stick is on the screen, so that a list in another view can still be walked with the arrows.
      if (typing(event.target) || !document.querySelector(".ril-stick")) return;
      event.preventDefault();
      if (event.repeat) return;
      this.keys.add(event.code);
      this.hand();
    },
    keyup(event) {
      if (event.code === "Space" && !REST.includes(this.state.phase)) event.stopImmediatePropagation();
      if (this.keys.delete(event.code)) this.hand();
    },
    pointerdown(event) {
      this.heard();
      // On the press, not on the release: some 100 ms sooner.
      if (event.target?.closest?.("[data-estop]")) this.stop();
    },
    holding() {
      const pad = this.pad();
      return this.held || this.keys.size > 0 || (pad && (pad.buttons > 0 || pad.axes.some((axis) => Math.abs(axis) > 0.3)));
    },
    blur() {
      if (this.holding()) this.leave();
    },
    hide() { this.leave(); },
    leave() {
      this.release();
      if (!this.silent && this.state.mine)
        this.send({ hand: { device: DEVICE.stick, forward: 0, turn: 0, deadman: false, seq: ++this.sequence, stamp: this.stamp } });
      this.silent = true;
    },
    heard() { if (!document.hidden) this.silent = false; },
    tell() {
      const source = this.held ? "joystick" : this.keys.size ? "keyboard" : this.padId ? "pad" : "";
      const text = JSON.stringify([source, this.padId, this.state.mine]);
      if (text === this.told) return;
      this.told = text;
      window.dispatchEvent(new CustomEvent("ril-source", { detail: { source, pad: this.padId, mine: this.state.mine } }));
    },
  },
};
