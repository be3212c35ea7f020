// <shrinkage-explorer>: what a belief about the spread of courses does to the
// estimate for each course.
//
// Twelve courses have a true log pay, which the reader can see. Each year brings a
// new sample of graduates, and three poolings estimate the truth from it. The
// reader sets tau, the ASSUMED between-course standard deviation, and may be
// wrong: the truths were drawn with TRUE_TAU, whatever the slider says.
// A classic script, so that it also runs from a file on disk.
(function () {
  "use strict";

  const TRUE_MU = Math.log(28000);
  const TRUE_TAU = 0.15;
  const SIZES = [3, 4, 6, 8, 12, 18, 25, 35, 55, 80, 130, 200];
  const NAMES = "ABCDEFGHIJKL".split("");
  const YEARS = 1000;
  const SHOWN_YEARS = 12; // faint marks of earlier years, in each row
  // Picked so that the first year has what chapter 1 asks about: the smallest
  // course on top. The average over YEARS is over graduates drawn anew each year,
  // for the twelve truths that this seed drew.
  const SEED = 16;

  /* ── Arithmetic ─────────────────────────────────────────────────────── */

  // mulberry32: a small generator that gives every reader the same years.
  function generator(seed) {
    let state = seed | 0;
    return function () {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
  }

  function normals(seed, count) {
    const next = generator(seed);
    return Array.from({ length: count }, () => {
      const radius = Math.sqrt(-2 * Math.log(1 - next()));
      return radius * Math.cos(2 * Math.PI * next());
    });
  }

  const sum = (values) => values.reduce((total, value) => total + value, 0);
  const mean = (values) => sum(values) / values.length;

  // The twelve truths: standardised, so that their sd is TRUE_TAU and not merely near it.
  const TRUTH = (function () {
    const draws = normals(SEED, SIZES.length);
    const centre = mean(draws);
    const sd = Math.sqrt(mean(draws.map((z) => (z - centre) ** 2)));
    return draws.map((z) => TRUE_MU + (TRUE_TAU * (z - centre)) / sd);
  })();

  const noiseOf = (year) => normals(SEED * 1000 + year, SIZES.length);

  // Estimates on the log scale, for known sigma and assumed tau.
  function estimate(noise, sizes, sigma, tau) {
    const none = TRUTH.map((truth, j) => truth + (sigma * noise[j]) / Math.sqrt(sizes[j]));
    const complete = sum(none.map((m, j) => m * sizes[j])) / sum(sizes);
    const weight = sizes.map((n) => n / (n + (sigma / tau) ** 2));
    // The mean of the courses, each weighted by 1 / (tau^2 + sigma^2 / n).
    const centre = sum(none.map((m, j) => m * weight[j])) / sum(weight);
    const partial = none.map((m, j) => weight[j] * m + (1 - weight[j]) * centre);
    return { none, complete, weight, centre, partial };
  }

  // Mean distance from the truth over the courses, in pounds.
  function errors(found) {
    const pounds = (log, j) => Math.abs(Math.exp(log) - Math.exp(TRUTH[j]));
    return {
      none: mean(found.none.map(pounds)),
      partial: mean(found.partial.map(pounds)),
      complete: mean(TRUTH.map((_, j) => pounds(found.complete, j))),
    };
  }

  let manyYears = null; // drawn when first needed

  function averageErrors(sizes, sigma, tau) {
    manyYears = manyYears || Array.from({ length: YEARS }, (_, k) => noiseOf(k + 1));
    const total = { none: 0, partial: 0, complete: 0 };
    for (const noise of manyYears) {
      const one = errors(estimate(noise, sizes, sigma, tau));
      for (const key in total) total[key] += one[key] / YEARS;
    }
    return total;
  }

  /* ── Words ──────────────────────────────────────────────────────────── */

  const pounds = (value) => "£" + (Math.round(value / 10) * 10).toLocaleString("en-GB");
  const percent = (share) => Math.round(100 * share) + "\u00a0%";

  function beliefSentence(tau) {
    if (Math.abs(tau - TRUE_TAU) < 0.005) return "You assume the spread that made these courses.";
    return tau < TRUE_TAU
      ? "You assume that courses differ less than they do, so the dots are pulled in too far."
      : "You assume that courses differ more than they do, so too little is borrowed.";
  }

  function sentence(state, found, average) {
    const { chosen, sizes, tau } = state;
    const n = sizes[chosen];
    const own = Math.round(100 * found.weight[chosen]);
    return (
      `Course ${NAMES[chosen]} has ${n} graduate${n === 1 ? "" : "s"}: its own mean counts ` +
      `${own}\u00a0%, the mean of all courses ${100 - own}\u00a0%. ${beliefSentence(tau)} ` +
      `Over ${YEARS.toLocaleString("en-GB")} years, the mean error of the 12 courses is ` +
      `${pounds(average.none)} with no pooling, ${pounds(average.partial)} with partial pooling ` +
      `and ${pounds(average.complete)} with complete pooling.`
    );
  }

  /* ── Picture ────────────────────────────────────────────────────────── */

  const SVG = "http://www.w3.org/2000/svg";
  const LOW = Math.log(12000);
  const HIGH = Math.log(66000);
  const TICKS = { narrow: [15000, 30000, 60000], wide: [15000, 20000, 30000, 40000, 60000] };
  const ROW = 30;
  const TOP = 26;

  function draw(parent, tag, attributes, text) {
    const node = document.createElementNS(SVG, tag);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    if (text !== undefined) node.textContent = text;
    parent.append(node);
    return node;
  }

  // Horizontal position; what lies off the scale is held at the edge.
  function scale(width) {
    const wide = width >= 480;
    const left = wide ? 84 : 62;
    const right = width - 52;
    const at = (log) => left + ((log - LOW) / (HIGH - LOW)) * (right - left);
    const x = (log) => Math.min(right, Math.max(left, at(log)));
    return { wide, left, right, x };
  }

  function drawAxis(svg, axis, bottom) {
    for (const tick of axis.wide ? TICKS.wide : TICKS.narrow) {
      const x = axis.x(Math.log(tick));
      draw(svg, "line", { class: "grid", x1: x, x2: x, y1: TOP, y2: bottom });
      draw(svg, "text", { class: "tick", x, y: bottom + 17, "text-anchor": "middle" }, `£${tick / 1000}k`);
    }
    const middle = (axis.left + axis.right) / 2;
    draw(svg, "text", { class: "tick", x: middle, y: bottom + 36, "text-anchor": "middle" }, "typical pay, log scale");
    draw(svg, "text", { class: "head", x: 0, y: 14 }, axis.wide ? "course, size" : "course");
    draw(svg, "text", { class: "head", x: axis.right + 52, y: 14, "text-anchor": "end" }, "own weight");
  }

  function drawCommon(svg, axis, found, bottom) {
    const complete = axis.x(found.complete);
    const centre = axis.x(found.centre);
    draw(svg, "line", { class: "complete", x1: complete, x2: complete, y1: TOP, y2: bottom });
    draw(svg, "line", { class: "centre", x1: centre, x2: centre, y1: TOP, y2: bottom });
    draw(svg, "path", { class: "pull", d: `M${centre - 5} ${TOP - 8}h10l-5 8z` });
  }

  function drawPast(row, axis, past, j) {
    for (const found of past) {
      const none = axis.x(found.none[j]);
      const partial = axis.x(found.partial[j]);
      draw(row, "line", { class: "past none", x1: none, x2: none, y1: -11, y2: -5 });
      draw(row, "line", { class: "past partial", x1: partial, x2: partial, y1: 5, y2: 11 });
    }
  }

  function drawRow(svg, axis, state, found, past, j) {
    const n = state.sizes[j];
    const row = draw(svg, "g", {
      class: j === state.chosen ? "row chosen" : "row",
      transform: `translate(0 ${TOP + ROW * (j + 0.5)})`,
      "data-course": j,
    });
    draw(row, "rect", { class: "band", x: 0, y: -ROW / 2, width: axis.right + 52, height: ROW, rx: 4 });
    drawPast(row, axis, past, j);
    const error = state.sigma / Math.sqrt(n);
    const [low, high] = [axis.x(found.none[j] - error), axis.x(found.none[j] + error)];
    const [none, partial, truth] = [found.none[j], found.partial[j], TRUTH[j]].map(axis.x);
    draw(row, "line", { class: "move", x1: none, x2: partial });
    draw(row, "line", { class: "error", x1: low, x2: high });
    draw(row, "circle", { class: "none", cx: none, r: 5.5 });
    draw(row, "circle", { class: "partial", cx: partial, r: 5 });
    draw(row, "path", { class: "truth", d: `M${truth - 5} -5l10 10m0 -10l-10 10` });
    draw(row, "text", { class: "name", x: 4, y: 5 }, `${NAMES[j]}  ${axis.wide ? "n = " : ""}${n}`);
    draw(row, "text", { class: "weight", x: axis.right + 48, y: 5, "text-anchor": "end" }, percent(found.weight[j]));
  }

  function drawAll(svg, state, found, past) {
    const width = Math.max(300, svg.parentElement.clientWidth);
    const bottom = TOP + ROW * SIZES.length;
    const axis = scale(width);
    svg.replaceChildren();
    svg.setAttribute("viewBox", `0 0 ${width} ${bottom + 44}`);
    svg.setAttribute("height", bottom + 44);
    drawAxis(svg, axis, bottom);
    SIZES.forEach((_, j) => drawRow(svg, axis, state, found, past, j));
    drawCommon(svg, axis, found, bottom);
    const ends = [0, SIZES.length - 1].map((j) => `${NAMES[j]}, with ${state.sizes[j]}, ${percent(found.weight[j])}`);
    svg.setAttribute(
      "aria-label",
      "Twelve courses, one a row. Partial pooling moves each course's mean towards the mean of all courses; " +
        `own weight of course ${ends.join(", of course ")}. The numbers are in the table below.`
    );
  }

  /* ── The element ────────────────────────────────────────────────────── */

  const markPosition = (TRUE_TAU - 0.02) / (0.4 - 0.02);
  const glyph = (inner) =>
    `<svg viewBox="0 0 26 16" width="26" height="16" aria-hidden="true" focusable="false"><g transform="translate(0 8)">${inner}</g></svg>`;

  const LEGEND = [
    ['<path class="truth" d="M8 -5l10 10m0 -10l-10 10"/>', "truth"],
    ['<line class="error" x1="1" x2="25"/><circle class="none" cx="13" r="5.5"/>', "no pooling ± 1 standard error"],
    ['<circle class="partial" cx="13" r="5"/>', "partial pooling"],
    ['<line class="complete" x1="13" x2="13" y1="-8" y2="8"/>', "complete pooling"],
    ['<line class="centre" x1="13" x2="13" y1="-1" y2="8"/><path class="pull" d="M8 -8h10l-5 8z"/>', "mean of the courses, where partial pooling pulls to"],
    ['<line class="past none" x1="9" x2="9" y1="-7" y2="-1"/><line class="past partial" x1="15" x2="15" y1="1" y2="7"/>', "earlier years: above no pooling, below partial"],
  ];

  const slider = (name, label, attributes, extra = "") => `
    <div class="control"><label>${label} <output></output>
      <input type="range" name="${name}" ${attributes}></label>${extra}</div>`;

  const template = () => `
    <div class="controls">
      ${slider(
        "tau",
        "How different you believe courses are, <i>τ</i>",
        'min="0.02" max="0.4" step="0.01"',
        `<span class="true-tau" style="--at: ${markPosition.toFixed(3)}">▲ true: ${TRUE_TAU}</span>`
      )}
      ${slider("sigma", "How different graduates of one course are, <i>σ</i>", 'min="0.1" max="0.8" step="0.05"')}
      <div class="control pick"><label>Course <select name="course">${NAMES.map(
        (name, j) => `<option value="${j}">${name}</option>`
      ).join("")}</select></label></div>
      ${slider("size", "Graduates in this course, <i>n</i>", 'min="1" max="300" step="1"')}
      <div class="buttons"><button type="button" name="year">Re-draw the year</button>
        <button type="button" name="reset">Start again</button></div>
    </div>
    <ul class="legend">${LEGEND.map(([mark, words]) => `<li>${glyph(mark)} ${words}</li>`).join("")}</ul>
    <div class="picture"><svg role="img" width="100%"></svg></div>
    <table class="errors"><caption>Mean error over the 12 courses</caption>
      <thead><tr><td></td><th scope="col">no pooling</th><th scope="col">partial</th><th scope="col">complete</th></tr></thead>
      <tbody></tbody></table>
    <p class="sentence"></p>
    <p class="announced" role="status"></p>
    <details><summary>The numbers behind the picture</summary><div class="numbers"></div></details>`;

  class ShrinkageExplorer extends HTMLElement {
    static errors = errors;
    static averageErrors = averageErrors;
    static estimate = (year, sizes, sigma, tau) => estimate(noiseOf(year), sizes, sigma, tau);
    static truth = TRUTH;

    connectedCallback() {
      if (this.state) return;
      this.innerHTML = template(); // what stood here was for readers without scripts
      this.setAttribute("role", "group");
      this.setAttribute("aria-label", "Shrinkage explorer");
      this.addEventListener("input", () => this.read());
      this.addEventListener("click", (event) => this.press(event.target));
      this.reset();
      new ResizeObserver(() => this.show()).observe(this.querySelector(".picture"));
    }

    field(name) {
      return this.querySelector(`[name="${name}"]`);
    }

    reset() {
      this.state = { tau: TRUE_TAU, sigma: 0.45, chosen: 0, sizes: [...SIZES], year: 1 };
      this.write();
      this.show();
    }

    // State to controls: a chosen course brings its own size with it.
    write() {
      const { tau, sigma, chosen, sizes } = this.state;
      const values = { tau, sigma, course: chosen, size: sizes[chosen] };
      for (const name in values) this.field(name).value = values[name];
    }

    read() {
      const state = this.state;
      state.tau = Number(this.field("tau").value);
      state.sigma = Number(this.field("sigma").value);
      const chosen = Number(this.field("course").value);
      if (chosen === state.chosen) state.sizes[chosen] = Number(this.field("size").value);
      state.chosen = chosen;
      this.write();
      this.show();
    }

    press(target) {
      const row = target.closest(".row");
      if (row) {
        this.field("course").value = row.dataset.course;
        this.read();
      } else if (target.name === "year") {
        this.state.year += 1;
        this.show();
      } else if (target.name === "reset") {
        this.reset();
      }
    }

    show() {
      const { tau, sigma, sizes, year } = this.state;
      const inYear = (k) => estimate(noiseOf(k), sizes, sigma, tau);
      const found = inYear(year);
      const first = Math.max(1, year - SHOWN_YEARS);
      const past = Array.from({ length: year - first }, (_, k) => inYear(first + k));
      const average = averageErrors(sizes, sigma, tau);
      drawAll(this.querySelector(".picture svg"), this.state, found, past);
      this.showControls();
      this.showErrors(errors(found), average);
      this.showNumbers(found);
      this.say(sentence(this.state, found, average));
    }

    showControls() {
      const { tau, sigma, chosen, sizes, year } = this.state;
      const texts = { tau: tau.toFixed(2), sigma: sigma.toFixed(2), size: String(sizes[chosen]) };
      for (const name in texts) this.field(name).previousElementSibling.textContent = texts[name];
      this.field("size").setAttribute("aria-valuetext", `${sizes[chosen]} graduates in course ${NAMES[chosen]}`);
      this.dataset.year = year;
    }

    showErrors(now, average) {
      const row = (name, e) =>
        `<tr><th scope="row">${name}</th><td>${pounds(e.none)}</td><td>${pounds(e.partial)}</td><td>${pounds(e.complete)}</td></tr>`;
      this.querySelector(".errors tbody").innerHTML =
        row(`year ${this.state.year}`, now) + row(`mean of ${YEARS.toLocaleString("en-GB")} years`, average);
    }

    showNumbers(found) {
      const rows = NAMES.map((name, j) => {
        const pay = [TRUTH[j], found.none[j], found.partial[j]].map((log) => `<td>${pounds(Math.exp(log))}</td>`);
        return `<tr><th scope="row">${name}</th><td>${this.state.sizes[j]}</td>${pay.join("")}<td>${percent(found.weight[j])}</td></tr>`;
      });
      this.querySelector(".numbers").innerHTML =
        `<table><caption>Typical pay in year ${this.state.year}; complete pooling says ${pounds(Math.exp(found.complete))} for all</caption><thead><tr>` +
        ["course", "graduates", "truth", "no pooling", "partial", "own weight"].map((t) => `<th scope="col">${t}</th>`).join("") +
        `</tr></thead><tbody>${rows.join("")}</tbody></table>`;
    }

    // Seen at once, but read out only when the reader pauses: a slider passes
    // through many values. The first sentence is not news.
    say(text) {
      this.querySelector(".sentence").textContent = text;
      clearTimeout(this.pause);
      if (this.spoken !== undefined) {
        this.pause = setTimeout(() => {
          this.querySelector(".announced").textContent = text;
        }, 600);
      }
      this.spoken = text;
    }
  }

  customElements.define("shrinkage-explorer", ShrinkageExplorer);
})();
