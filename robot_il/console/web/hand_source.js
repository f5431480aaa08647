// Says what drives at the moment: the joystick, the keyboard, or which pad.
export default {
  template: `<div class="hand-source" :data-tone="source ? 'live' : 'off'">{{ text }}</div>`,
  data: () => ({ source: "", pad: "" }),
  computed: {
    text() {
      if (this.source === "pad") return `Pad: ${this.pad.replace(/\s*\(.*$/, "") || "unnamed"}`;
      return { joystick: "Joystick held", keyboard: "Keyboard held" }[this.source] ?? "Hands off";
    },
  },
  mounted() {
    this.hear = (event) => Object.assign(this, { source: event.detail.source, pad: event.detail.pad });
    window.addEventListener("ril-source", this.hear);
  },
  unmounted() { window.removeEventListener("ril-source", this.hear); },
};
