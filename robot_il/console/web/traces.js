// Strip charts of the last seconds, drawn on one canvas. Each bin of time carries the smallest and the largest value
// seen in it, so that a spike of one tick is seen however far the view is zoomed out.
const KEPT = 1400; // bins held: 60 s of 50 ms and some to spare

const FAMILY = "Roboto, system-ui, sans-serif";
const TEXT = `500 14px ${FAMILY}`, BOLD = `700 15px ${FAMILY}`, SMALL = `600 12px ${FAMILY}`, SCALE = `600 12px ${FAMILY}`;

export default {
  template: `<canvas role="img" aria-label="live traces"></canvas>`,
  props: { plots: Array, binSeconds: Number },
  mounted() {
    this.channels = this.plots.flatMap((plot) => plot.channels);
    this.stamp = new Float64Array(KEPT).fill(-1);
    this.low = this.channels.map(() => new Float32Array(KEPT));
    this.high = this.channels.map(() => new Float32Array(KEPT));
    this.newest = -1;
    this.seconds = 10;
    this.redraw = () => {
      if (!this.waiting) this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.draw(); });
    };
    this.watch = new ResizeObserver(this.redraw);
    this.watch.observe(this.$el);
    this.theme = new MutationObserver(this.redraw);
    this.theme.observe(document.body, { attributes: true, attributeFilter: ["class"] });
    this.redraw();
    this.$emit("ready");
  },
  unmounted() {
    this.watch.disconnect();
    this.theme.disconnect();
    cancelAnimationFrame(this.waiting);
  },
  methods: {
    // rows: [bin, low of channel 0, high of channel 0, low of channel 1, ...]; a missing value is null
    push(rows) {
      for (const row of rows) {
        const slot = row[0] % KEPT;
        this.stamp[slot] = row[0];
        for (let index = 0; index < this.channels.length; index++) {
          this.low[index][slot] = row[1 + 2 * index] ?? NaN;
          this.high[index][slot] = row[2 + 2 * index] ?? NaN;
        }
        this.newest = Math.max(this.newest, row[0]);
      }
      this.redraw();
    },
    forget() {
      this.stamp.fill(-1);
      this.newest = -1;
      this.redraw();
    },
    show(seconds) {
      this.seconds = seconds;
      this.redraw();
    },
    draw() {
      const canvas = this.$el, ratio = window.devicePixelRatio || 1;
      const width = canvas.clientWidth, height = canvas.clientHeight;
      if (!width || !height) return;
      if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
        canvas.width = Math.round(width * ratio);
        canvas.height = Math.round(height * ratio);
      }
      const style = getComputedStyle(canvas);
      const pen = canvas.getContext("2d");
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      pen.clearRect(0, 0, width, height);
      const view = { pen, colour: (name) => style.getPropertyValue(name).trim() };
      for (const column of this.columns(width, height)) this.column(view, column, height);
    },
    // Low and wide, as on a tablet held upright, the strips stand side by side.
    columns(width, height) {
      let channel = 0;
      const strips = this.plots.map((plot) => {
        const strip = { plot, channel };
        channel += plot.channels.length;
        return strip;
      });
      const cuts = height < 80 * strips.length && width > 600 ? [strips.slice(0, 2), strips.slice(2, 3), strips.slice(3)] : [strips];
      return cuts.map((part, index) => ({
        strips: part,
        left: (width * index) / cuts.length + 42,
        right: (width * (index + 1)) / cuts.length - 42,
      }));
    },
    column(view, { strips, left, right }, height) {
      const weights = strips.reduce((sum, strip) => sum + strip.plot.weight, 0);
      let top = 0;
      for (const { plot, channel } of strips) {
        const tall = ((height - 22) * plot.weight) / weights;
        this.strip({ ...view, left, right }, plot, channel, top, tall);
        top += tall;
      }
      this.times({ ...view, left, right }, top);
    },
    bins() { return Math.round(this.seconds / this.binSeconds); },
    slot(bin) { return bin >= 0 && this.stamp[bin % KEPT] === bin ? bin % KEPT : -1; },
    latest(channel) {
      const slot = this.slot(this.newest);
      if (slot < 0) return NaN;
      return (this.low[channel][slot] + this.high[channel][slot]) / 2;
    },
    strip(view, plot, first, top, tall) {
      const { pen, left, right, colour } = view;
      const above = top + this.legend(view, plot, first, top), below = top + tall - 4;
      pen.fillStyle = colour("--inset");
      pen.fillRect(left, above, right - left, below - above);
      for (const side of ["left", "right"]) {
        const mine = plot.channels.map((channel, index) => ({ ...channel, index: first + index })).filter((channel) => channel.side === side);
        if (!mine.length) continue;
        const axis = plot[side];
        const range = this.range(axis, mine);
        const y = (value) => below - ((value - range[0]) / (range[1] - range[0])) * (below - above);
        this.scale(view, side, axis, range, y, above, below, mine);
        pen.save();
        pen.beginPath();
        pen.rect(left, above, right - left, below - above);
        pen.clip();
        for (const limit of axis.limits) {
          pen.setLineDash([6, 4]);
          pen.strokeStyle = colour("--limit");
          pen.lineWidth = 1.5;
          pen.beginPath();
          pen.moveTo(left, y(limit));
          pen.lineTo(right, y(limit));
          pen.stroke();
          pen.setLineDash([]);
        }
        for (const channel of mine) this.curve(view, channel, y);
        pen.restore();
      }
    },
    // Draws title and channels, in a second line where the first is full; returns the height that they took.
    legend(view, plot, first, top) {
      const { pen, left, right, colour } = view;
      pen.textBaseline = "middle";
      pen.textAlign = "left";
      let x = left - 30, y = top + 12;
      const write = (text, font, name, room = 0) => {
        pen.font = font;
        pen.fillStyle = colour(name);
        pen.fillText(text, x, y);
        x += Math.max(room && pen.measureText(room).width, pen.measureText(text).width);
      };
      write(plot.title, SMALL, "--muted");
      x += 10;
      plot.channels.forEach((channel, index) => {
        const value = this.latest(first + index);
        pen.font = BOLD;
        const wide = pen.measureText(channel.label).width + (plot.values ? 104 : 18);
        if (x + wide > right + 40 && index > 0) { x = left + 10; y += 18; }
        pen.fillStyle = colour(channel.colour);
        pen.fillRect(x, y - 2, 12, 4);
        x += 16;
        write(channel.label, TEXT, "--text");
        if (plot.values) {
          x += 5;
          write(figure(value, channel.digits), BOLD, "--text", `−${(0).toFixed(channel.digits)}`);
          x += 4;
          write(channel.unit, SMALL, "--muted");
        }
        x += 11;
      });
      return y - top + 12;
    },
    range(axis, channels) {
      let [low, high] = axis.range;
      const bins = this.bins();
      for (const channel of channels) {
        for (let bin = this.newest - bins; bin <= this.newest; bin++) {
          const slot = this.slot(bin);
          if (slot < 0) continue;
          if (this.low[channel.index][slot] < low) low = this.low[channel.index][slot];
          if (this.high[channel.index][slot] > high) high = this.high[channel.index][slot];
        }
      }
      if (low < axis.range[0] || high > axis.range[1]) {
        const room = (high - low) * 0.06;
        if (low < axis.range[0]) low -= room;
        if (high > axis.range[1]) high += room;
      }
      return [low, high];
    },
    scale(view, side, axis, range, y, above, below, channels) {
      const { pen, left, right, colour } = view;
      const step = tick((range[1] - range[0]) / Math.max(2, Math.floor((below - above) / 26)));
      pen.font = SCALE;
      pen.textBaseline = "middle";
      pen.textAlign = side === "left" ? "right" : "left";
      const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
      for (let value = Math.ceil(range[0] / step) * step; value <= range[1] + step * 1e-6; value += step) {
        const at = y(value);
        if (side === "left") {
          pen.strokeStyle = colour("--grid");
          pen.lineWidth = 1;
          pen.beginPath();
          pen.moveTo(left, at);
          pen.lineTo(right, at);
          pen.stroke();
        }
        if (at < above + 5 || at > below - 5) continue;
        pen.fillStyle = channels.length === 1 ? colour(channels[0].colour) : colour("--muted");
        const text = (Math.abs(value) < step / 1e3 ? 0 : value).toFixed(digits).replace("-", "−");
        pen.fillText(text, side === "left" ? left - 5 : right + 5, at);
      }
    },
    curve(view, channel, y) {
      const { pen, left, right, colour } = view;
      const bins = this.bins(), wide = (right - left) / bins;
      pen.strokeStyle = colour(channel.colour);
      pen.lineWidth = channel.width;
      pen.lineJoin = "round";
      pen.beginPath();
      let drawing = false;
      for (let bin = this.newest - bins; bin <= this.newest; bin++) {
        const slot = this.slot(bin);
        const low = slot < 0 ? NaN : this.low[channel.index][slot], high = slot < 0 ? NaN : this.high[channel.index][slot];
        if (!(low <= high)) { drawing = false; continue; }
        const x = right - (this.newest - bin) * wide, bottom = y(low), top = y(high);
        if (drawing) pen.lineTo(x, bottom); else pen.moveTo(x, bottom);
        pen.lineTo(x, bottom - top < 0.8 ? bottom - 0.01 : top);
        drawing = true;
      }
      pen.stroke();
    },
    times(view, top) {
      const { pen, left, right, colour } = view;
      pen.font = SCALE;
      pen.textBaseline = "top";
      pen.fillStyle = colour("--muted");
      const steps = right - left > 320 ? 5 : 2;
      for (let index = 0; index <= steps; index++) {
        const ago = (this.seconds * (steps - index)) / steps;
        pen.textAlign = index === 0 ? "left" : index === steps ? "right" : "center";
        pen.fillText(ago === 0 ? "now" : `−${ago} s`, left + ((right - left) * index) / steps, top + 3);
      }
    },
  },
};

function figure(value, digits) {
  if (!Number.isFinite(value)) return "–";
  return (Math.abs(value) < 10 ** -digits / 2 ? 0 : value).toFixed(digits).replace("-", "−");
}

// The next larger of 1, 2, 5 times a power of ten.
function tick(wanted) {
  const power = 10 ** Math.floor(Math.log10(wanted));
  for (const factor of [1, 2, 5, 10]) if (power * factor >= wanted) return power * factor;
}
