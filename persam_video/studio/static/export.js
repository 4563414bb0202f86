// Taking results home: what can be written, how it looks, what is there to download.

import { outputs as readOutputs } from "./api.js";
import { byId, dialogHead, dress, icon, make, makeButton } from "./dom.js";
import { jobLines } from "./jobs.js";
import { jobActive } from "./store.js";
import { sizeText } from "./open.js";

const KINDS = { video: "Videos", images: "Images", labels: "Labels", table: "Tables" };
const PICTURED = ["video", "images"]; // the other kinds are data

export class ExportDialog {
  #controller;
  #dialog = byId("export-dialog");
  #choices = make("div", { className: "outputs", role: "radiogroup", "aria-label": "What to write" });
  #styles = make("div", { className: "styles", role: "radiogroup", "aria-label": "Look" });
  #preview = make("img", { className: "preview", alt: "" });
  #previewNote = make("p", { className: "empty" });
  #files = make("ul", { className: "downloads" });
  #filesNote = make("p", { className: "empty" });
  #bar = make("progress", { max: "1", "aria-label": "Progress of the export" });
  #line = make("p", { className: "job-line", role: "status" });
  #warnings = make("ul", { className: "warnings", "aria-label": "What to check" });
  #value = make("select", { "aria-label": "Variant of the look", onchange: () => this.#showPreview() });
  #onlyVisible = make("input", { type: "checkbox", onchange: () => this.#showPreview() });
  #start;
  #stop;
  #outputs = null;
  #output = null;
  #style = null;
  #seen = null; // state of the last export that was looked at

  constructor(controller) {
    this.#controller = controller;
    dress(byId("export-button"), {
      symbol: "export",
      text: "Export",
      label: "Export",
      keys: "Ctrl+E",
      press: () => this.show(),
    });
    this.#start = makeButton("button primary", {
      symbol: "export",
      text: "Export",
      label: "Export",
      press: () => this.#controller.startExport(this.#output.name, this.#look),
    });
    this.#stop = makeButton("icon-button", {
      symbol: "stop",
      label: "Stop the export",
      press: () => this.#controller.job("cancel"),
    });
    this.#dialog.append(
      dialogHead(this.#dialog, "Export"),
      make(
        "div",
        { className: "export-body" },
        this.#choices,
        make(
          "div",
          { className: "export-look" },
          this.#styles,
          make(
            "div",
            { className: "look-more" },
            this.#value,
            make("label", { className: "check" }, this.#onlyVisible, "Only visible objects"),
          ),
          make("div", { className: "preview-box" }, this.#preview, this.#previewNote),
          make("div", { className: "export-run" }, this.#start, this.#line, this.#stop, this.#bar),
          this.#warnings,
          make("h3", {}, "Ready to download"),
          this.#files,
          this.#filesNote,
        ),
      ),
    );
    this.#preview.addEventListener("error", () => {
      this.#preview.hidden = true;
      this.#previewNote.textContent = "No preview of this frame: it has no masks yet.";
    });
    this.#preview.addEventListener("load", () => {
      this.#preview.hidden = false;
      this.#previewNote.textContent = "";
    });
    this.#controller.store.watch(["session"], (state) => this.#showJob(state));
  }

  async show() {
    if (!this.#controller.state.session) return;
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#showFiles();
    if (!this.#outputs) {
      const answer = await this.#controller.attempt(() => readOutputs());
      if (!answer) return;
      this.#outputs = answer.outputs;
      this.#choices.replaceChildren(...Object.entries(KINDS).map(([kind, title]) => this.#group(kind, title)));
    }
    this.#choose(this.#output ?? this.#outputs[0]);
    this.#choices.querySelector(":checked").focus();
  }

  #group(kind, title) {
    const outputs = this.#outputs.filter((output) => output.kind === kind);
    return make(
      "div",
      { className: "output-group", role: "group", "aria-label": title },
      make("h3", {}, title),
      ...outputs.map((output) => this.#choice(output)),
    );
  }

  #choice(output) {
    return make(
      "label",
      { className: "output" },
      make("input", {
        type: "radio",
        name: "output",
        value: output.name,
        onchange: () => this.#choose(output),
      }),
      make("span", {}, output.title),
    );
  }

  #choose(output) {
    this.#output = output;
    for (const radio of this.#choices.querySelectorAll("input")) {
      radio.checked = radio.value === output.name;
    }
    const styles = output.styles ?? [];
    this.#style = styles.includes(this.#style) ? this.#style : (styles[0] ?? null);
    this.#showValues();
    this.#styles.hidden = styles.length < 2;
    this.#styles.replaceChildren(
      ...styles.map((style) =>
        make(
          "label",
          { className: "style" },
          make("input", {
            type: "radio",
            name: "style",
            value: style.name,
            checked: style === this.#style,
            onchange: () => {
              this.#style = style;
              this.#showValues();
              this.#showPreview();
            },
          }),
          make("span", {}, style.name.replaceAll("-", " ")),
        ),
      ),
    );
    this.#showPreview();
  }

  /** Offer the variants of the chosen look. */
  #showValues() {
    const values = this.#style?.values ?? [];
    this.#value.hidden = values.length === 0;
    this.#value.replaceChildren(
      make("option", { value: "" }, "default"),
      ...values.map((value) => make("option", { value }, value.replaceAll("-", " "))),
    );
  }

  /** How the output is to look, as the server is told. */
  get #look() {
    const value = this.#value.value;
    const style = this.#style && (value ? `${this.#style.name}=${value}` : this.#style.name);
    return { style, onlyVisible: this.#onlyVisible.checked };
  }

  #showPreview() {
    const { frame, session } = this.#controller.state;
    this.#preview.hidden = true;
    if (!PICTURED.includes(this.#output.kind)) {
      this.#preview.removeAttribute("src");
      this.#previewNote.textContent = "Data has no preview.";
      return;
    }
    this.#previewNote.textContent = "Drawing the preview …";
    const look = this.#look;
    this.#preview.alt = [`Frame ${frame} as ${this.#output.title}`, look.style].filter(Boolean).join(", ");
    this.#preview.src = this.#controller.api.previewUrl(
      frame,
      this.#output.name,
      look,
      session.revision,
    );
  }

  async #showFiles() {
    const answer = await this.#controller.attempt(() => this.#controller.api.downloads());
    if (!answer) return;
    this.#filesNote.textContent =
      answer.files.length === 0 ? "Nothing yet. Choose an output and press Export." : "";
    this.#files.replaceChildren(
      ...answer.files.map((file) =>
        make(
          "li",
          {},
          make(
            "a",
            { href: this.#controller.api.downloadUrl(file.name), download: "" },
            icon("export"),
            make("span", { className: "file-name" }, file.name),
            make("span", { className: "muted" }, sizeText(file.size)),
          ),
        ),
      ),
    );
  }

  #showJob({ session }) {
    const job = session?.job ?? null;
    byId("export-button").disabled = !session;
    const active = jobActive(job);
    this.#start.disabled = active;
    const exporting = job?.kind === "export";
    this.#bar.hidden = !(active && exporting);
    this.#stop.hidden = this.#bar.hidden;
    if (active && exporting && job.total) this.#bar.value = job.done / job.total;
    else this.#bar.removeAttribute("value");
    if (exporting) {
      const done = job.state === "done" && job.message;
      this.#line.textContent = done ? `Wrote ${job.message}` : jobLines(job).join(" · ");
    } else this.#line.textContent = active ? "The tracker is at work; export when it is done." : "";
    this.#warnings.replaceChildren(
      ...(exporting && !active ? job.warnings : []).map((line) => make("li", {}, line)),
    );
    const now = exporting ? job.state : null;
    if (this.#seen !== now && now === "done" && this.#dialog.open) this.#showFiles();
    this.#seen = now;
  }
}
