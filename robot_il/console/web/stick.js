// The joystick on the page: follows the one finger that took it, and springs back when that finger leaves.
export default {
  template: `
    <div class="ril-stick" role="slider" aria-label="joystick" aria-valuenow="0" :class="{ held }"
         @pointerdown="down" @pointermove="move" @pointerup="up" @pointercancel="up" @lostpointercapture="up" @contextmenu.prevent>
      <svg viewBox="-100 -100 200 200">
        <circle r="97" fill="var(--inset)" stroke="var(--line)" stroke-width="2" />
        <path d="M0-88 9-74H-9ZM0 88 9 74H-9ZM-88 0-74 9V-9ZM88 0 74 9V-9Z" fill="var(--muted)" />
        <path d="M-62 0H62M0-62V62" stroke="var(--line)" stroke-width="2" />
        <circle :cx="-turn * 60" :cy="-forward * 60" r="36" :fill="held ? 'var(--accent)' : 'var(--panel)'"
                stroke="var(--accent)" stroke-width="4" />
      </svg>
    </div>`,
  data: () => ({ held: false, forward: 0, turn: 0 }),
  mounted() { window.addEventListener("ril-release", this.spring); },
  unmounted() {
    window.removeEventListener("ril-release", this.spring);
    if (this.held) this.spring();
  },
  methods: {
    down(event) {
      // A second finger, or another mouse button, takes nothing away from the first.
      if (this.held || (event.pointerType === "mouse" && event.button !== 0)) return;
      event.preventDefault();
      this.pointer = event.pointerId;
      this.$el.setPointerCapture(event.pointerId);
      this.held = true;
      this.follow(event);
    },
    move(event) {
      if (this.held && event.pointerId === this.pointer) this.follow(event);
    },
    up(event) {
      if (this.held && event.pointerId === this.pointer) this.spring();
    },
    follow(event) {
      const box = this.$el.getBoundingClientRect(), reach = box.width * 0.3;
      let right = (event.clientX - box.left - box.width / 2) / reach, down = (event.clientY - box.top - box.height / 2) / reach;
      const far = Math.hypot(right, down);
      if (far > 1) { right /= far; down /= far; }
      this.forward = -down;
      this.turn = -right;
      window.robotIl?.stick(true, this.forward, this.turn);
    },
    spring() {
      this.held = false;
      this.forward = this.turn = 0;
      window.robotIl?.stick(false, 0, 0);
    },
  },
};
