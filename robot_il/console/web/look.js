// Light or dark: as the machine has it until somebody chooses; then as chosen, remembered in this browser.
const NAME = "robot-il-look";

export default {
  template: `<button type="button" class="q-btn btn icon look" :aria-label="label" :title="label" @click="toggle">
    <i class="q-icon material-icons" style="font-size: 24px">{{ dark ? "light_mode" : "dark_mode" }}</i></button>`,
  data: () => ({ dark: false }),
  computed: { label() { return this.dark ? "light look" : "dark look"; } },
  mounted() {
    const chosen = localStorage.getItem(NAME);
    this.dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    Quasar.Dark.set(this.dark);
  },
  methods: {
    toggle() {
      this.dark = !this.dark;
      localStorage.setItem(NAME, this.dark ? "dark" : "light");
      Quasar.Dark.set(this.dark);
    },
  },
};
