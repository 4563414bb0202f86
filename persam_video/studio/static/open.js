// Opening a clip: files on the server, sessions to go on with, uploads, drag and drop.

import { files, openPath, session, studio, upload } from "./api.js";
import { byId, dialogHead, dress, icon, make } from "./dom.js";
import { toast } from "./toast.js";

const UNITS = ["bytes", "kB", "MB", "GB", "TB"];

/** A size as "12 MB". */
export function sizeText(bytes) {
  if (bytes === null || bytes === undefined) return "";
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

const KINDS = { folder: "Folder", video: "Video", images: "Image sequence", session: "Session" };

export class OpenDialog {
  #controller;
  #dialog = byId("open-dialog");
  #list = make("ul", { className: "files" });
  #trail = make("nav", { className: "trail", "aria-label": "Folder" });
  #note = make("p", { className: "empty", role: "status" });
  #recent = make("div", { className: "recent" });
  #progress = make("progress", { max: "1", hidden: true, "aria-label": "Upload" });
  #input = make("input", {
    type: "file",
    accept: "video/*,.mkv,.avi,.mts,.mxf,.ogv,.gif,.apng",
    className: "visually-hidden",
    id: "upload-input",
    onchange: (event) => {
      const file = event.target.files[0];
      event.target.value = "";
      if (file) this.#upload(file);
    },
  });
  #limit = null;
  #path = "";

  constructor(controller) {
    this.#controller = controller;
    dress(byId("open-button"), {
      symbol: "open",
      text: "Open",
      label: "Open",
      keys: "Ctrl+O",
      press: () => this.show(),
    });
    const drop = make(
      "label",
      { className: "drop", for: "upload-input" },
      icon("upload"),
      make("span", {}, "Drop a video here, or choose a file to upload"),
    );
    this.#dialog.append(
      dialogHead(this.#dialog, "Open a video"),
      this.#recent,
      this.#trail,
      this.#list,
      this.#note,
      this.#input,
      drop,
      this.#progress,
    );
    this.#listenForDrops();
  }

  async show() {
    if (!this.#dialog.open) this.#dialog.showModal();
    const known = await this.#controller.attempt(() => studio());
    if (!known) return;
    this.#limit = known.upload_limit ?? null;
    const others = known.sessions.filter((entry) => entry.id !== this.#controller.state.session?.id);
    this.#recent.replaceChildren(
      ...(others.length > 0 ? [make("h3", {}, "Open sessions")] : []),
      ...others.map((entry) =>
        this.#row("session", entry.name, entry.folder, () => this.#openSession(entry.id)),
      ),
    );
    const browses = known.roots.length > 0;
    this.#trail.hidden = !browses;
    this.#list.hidden = !browses;
    if (browses) await this.#browse(this.#path);
    else this.#note.textContent = "To choose among the files of this server, start it with --root DIR.";
  }

  /** Open a session that the server knows by its id. */
  async #openSession(id) {
    const state = await this.#controller.attempt(() => session(id).state());
    if (state) this.#opened(state);
  }

  #opened(state) {
    this.#dialog.close();
    this.#controller.open(state);
  }

  #row(kind, name, detail, press) {
    return make(
      "button",
      { type: "button", className: "file", onclick: press },
      icon(kind),
      make("span", { className: "file-name" }, name),
      make("span", { className: "muted" }, detail ?? ""),
    );
  }

  async #browse(path) {
    const folder = await this.#controller.attempt(() => files(path));
    if (!folder) {
      this.#note.textContent = "This folder cannot be read.";
      return;
    }
    this.#path = folder.path === "." ? "" : folder.path;
    const parts = this.#path.split("/").filter(Boolean);
    const crumbs = [["Files", ""], ...parts.map((part, n) => [part, parts.slice(0, n + 1).join("/")])];
    this.#trail.replaceChildren(
      ...crumbs.map(([name, target], place) =>
        make(
          "button",
          {
            type: "button",
            className: "crumb",
            "aria-current": place === crumbs.length - 1 ? "page" : null,
            onclick: () => this.#browse(target),
          },
          name,
        ),
      ),
    );
    this.#list.replaceChildren(
      ...folder.entries.map((entry) => {
        const detail = entry.size ? sizeText(entry.size) : KINDS[entry.kind];
        const press = () => (entry.kind === "folder" ? this.#browse(entry.path) : this.#open(entry));
        return make("li", {}, this.#row(entry.kind, entry.name, detail, press));
      }),
    );
    this.#note.textContent =
      folder.entries.length === 0 ? "No folders or videos here. Upload one, or start with --root DIR." : "";
  }

  async #open(entry) {
    this.#note.textContent = `Opening ${entry.name} …`;
    const state = await this.#controller.attempt(() => openPath(entry.path));
    this.#note.textContent = "";
    if (state) this.#opened(state);
  }

  async #upload(file) {
    if (this.#limit !== null && file.size > this.#limit) {
      toast(
        `${file.name} has ${sizeText(file.size)}; the server takes ${sizeText(this.#limit)} ` +
          "(--upload-limit). Put it into the folder of --root instead.",
        "error",
      );
      return;
    }
    this.#note.textContent = `Uploading ${file.name} …`;
    this.#progress.hidden = false;
    this.#progress.value = 0;
    const state = await this.#controller.attempt(() =>
      upload(file, (part) => {
        this.#progress.value = part;
        if (part === 1) this.#note.textContent = `Opening ${file.name} …`;
      }),
    );
    this.#progress.hidden = true;
    this.#note.textContent = "";
    if (state) this.#opened(state);
  }

  #listenForDrops() {
    const veil = byId("stage-drop");
    veil.textContent = "Drop the video to open it";
    let depth = 0; // dragenter and dragleave come for every element on the way
    const carries = (event) => event.dataTransfer?.types.includes("Files");
    const show = () => {
      veil.hidden = depth === 0;
      this.#dialog.dataset.drop = depth > 0;
    };
    window.addEventListener("dragenter", (event) => {
      if (!carries(event)) return;
      depth += 1;
      show();
    });
    window.addEventListener("dragleave", (event) => {
      if (!carries(event)) return;
      depth = Math.max(0, depth - 1);
      show();
    });
    window.addEventListener("dragover", (event) => {
      if (carries(event)) event.preventDefault();
    });
    window.addEventListener("drop", (event) => {
      if (!carries(event)) return;
      event.preventDefault();
      depth = 0;
      show();
      const file = event.dataTransfer.files[0];
      if (!file) return;
      if (!this.#dialog.open) this.#dialog.showModal();
      this.#upload(file);
    });
  }
}
