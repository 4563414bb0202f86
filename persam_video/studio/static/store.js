// What the page knows, in one object; whoever shows a part of it subscribes to its keys.

const RATE = 25; // of a video that does not tell its own

export function createStore(initial) {
  const state = { ...initial };
  const listeners = [];
  return {
    state,
    /** Change some keys; the listeners of those that really changed are called once each. */
    set(patch) {
      const changed = Object.keys(patch).filter((key) => state[key] !== patch[key]);
      if (changed.length === 0) return;
      Object.assign(state, patch);
      for (const { keys, listen } of [...listeners]) {
        if (keys.some((key) => changed.includes(key))) listen(state);
      }
    },
    /** Call `listen(state)` now and whenever one of `keys` changes. */
    watch(keys, listen) {
      listeners.push({ keys, listen });
      listen(state);
    },
  };
}

export const initialState = {
  session: null, // state of the session as the server tells it
  frame: 0,
  times: null, // seconds at which each frame is shown, where the rate varies
  masks: null, // masks of the shown frame, see masks.js
  masksVersion: 0, // goes up when any stored mask changed
  timelineVersion: 0, // goes up when scores changed
  review: [],
  objectId: null, // the selected object
  tool: "point",
  positive: true,
  radius: 12, // of brush and eraser, in pixels of the frame
  markIn: null,
  markOut: null,
  untilNext: true,
  follow: true, // show the frames as they are tracked
  playing: false,
  before: false, // show the masks before the last change
  opacity: 0.5,
  contours: true,
  hidden: false, // all masks hidden
  connection: "starting", // starting, live, polling, lost or refused
  pending: 0, // gestures sent and not answered
  latency: null, // milliseconds of the last gesture, as the server measured them
};

/** The object with this id in the session state, or null. */
export function objectOf(state, objectId) {
  return state.session?.objects.find((object) => object.id === objectId) ?? null;
}

/** The name to show for an object. */
export const nameOf = (object) => object.name || `Object ${object.id}`;

/** Frames per second, on average where the rate varies. */
export const rateOf = ({ session }) => (session?.fps > 0 ? session.fps : RATE);

/** Seconds at which a frame is shown. */
export const secondsOf = (state, frame) => state.times?.[frame] ?? frame / rateOf(state);

/** The frame that is shown at so many seconds. */
export function frameAt(state, seconds) {
  if (!state.times) return Math.floor(seconds * rateOf(state) + 1e-6);
  let [first, end] = [0, state.times.length]; // it is at or after the one, and before the other
  while (end - first > 1) {
    const middle = (first + end) >> 1;
    if (state.times[middle] <= seconds + 1e-6) first = middle;
    else end = middle;
  }
  return first;
}

/** The time of a frame as m:ss.ff; empty where the video's rate is not known. */
export function timeOf(state, frame) {
  if (!(state.session?.fps > 0)) return "";
  const seconds = secondsOf(state, frame);
  const minutes = Math.floor(seconds / 60);
  return `${minutes}:${(seconds - 60 * minutes).toFixed(2).padStart(5, "0")}`;
}

export const jobActive = (job) =>
  job !== null && job !== undefined && ["queued", "running", "paused"].includes(job.state);
