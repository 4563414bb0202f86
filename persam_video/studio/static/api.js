// Every request of the page to its server. Failures become an ApiError with one line for the user.

export class ApiError extends Error {
  /**
   * @param {number} status HTTP status, 0 where the server did not answer.
   * @param {boolean} reading whether nothing was to be changed.
   */
  constructor(message, status, reading = false) {
    super(message);
    this.status = status;
    this.reading = reading;
  }
}

const GONE = "The server does not answer. What you did last was not sent; try again when it is back.";

async function failure(response) {
  let message = `The server answered ${response.status} ${response.statusText}.`.replace(" .", ".");
  try {
    const body = await response.json();
    if (typeof body.error === "string") message = body.error;
  } catch {
    // not JSON: the status line has to do
  }
  return new ApiError(message, response.status);
}

async function send(method, path, body, signal) {
  const options = { method, signal, headers: {}, credentials: "same-origin" };
  if (method !== "GET") options.headers["X-Persam"] = "1";
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(GONE, 0, method === "GET");
  }
  if (!response.ok) throw await failure(response);
  return response.json();
}

const get = (path, signal) => send("GET", path, undefined, signal);
const post = (path, body = {}) => send("POST", path, body);

export const studio = () => get("/api/studio");
export const files = (path) => get(`/api/files?path=${encodeURIComponent(path)}`);
export const openPath = (path) => post("/api/sessions", { path });
export const outputs = () => get("/api/outputs");

/** Send a file; `onProgress` is told the part that has gone, 0 to 1. Resolves to the session state. */
export function upload(file, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/api/upload");
    request.setRequestHeader("X-Persam", "1");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    });
    request.addEventListener("load", () => {
      if (request.status >= 200 && request.status < 300) resolve(request.response);
      else {
        const line = request.response?.error ?? `The server answered ${request.status}.`;
        reject(new ApiError(line, request.status));
      }
    });
    request.addEventListener("error", () =>
      reject(new ApiError("The upload broke off: the server closed it or does not answer.", 0)),
    );
    const form = new FormData();
    form.append("file", file);
    request.send(form);
  });
}

/** The requests of one session. */
export function session(id) {
  const base = `/api/sessions/${encodeURIComponent(id)}`;
  return {
    id,
    state: () => get(base),
    frameUrl: (frame, width) => `${base}/frames/${frame}.jpg${width ? `?w=${width}` : ""}`,
    thumbUrl: (frame) => `${base}/thumbs/${frame}.jpg`,
    masks: (frame, { before = false, signal } = {}) =>
      get(`${base}/frames/${frame}/masks${before ? "?before=1" : ""}`, signal),
    times: () => get(`${base}/times`),
    timeline: () => get(`${base}/timeline`),
    addObject: () => post(`${base}/objects`),
    changeObject: (objectId, change) => send("PATCH", `${base}/objects/${objectId}`, change),
    deleteObject: (objectId) => send("DELETE", `${base}/objects/${objectId}`),
    gesture: (gesture) => post(`${base}/gestures`, gesture),
    undo: () => post(`${base}/undo`),
    redo: () => post(`${base}/redo`),
    track: (request) => post(`${base}/track`, request),
    job: (action) => post(`${base}/job`, { action }),
    review: () => get(`${base}/review`),
    accept: (frame) => post(`${base}/accept`, { frame }),
    previewUrl: (frame, output, { style, onlyVisible }, revision) => {
      const query = new URLSearchParams({ frame, output, r: revision });
      if (style) query.set("style", style);
      if (onlyVisible) query.set("only_visible", "1");
      return `${base}/preview.jpg?${query}`;
    },
    export: (output, { style, onlyVisible }) =>
      post(`${base}/export`, { output, style, only_visible: onlyVisible }),
    downloads: () => get(`${base}/downloads`),
    downloadUrl: (name) => `${base}/downloads/${name.split("/").map(encodeURIComponent).join("/")}`,
    eventsUrl: `${base}/events`,
  };
}
