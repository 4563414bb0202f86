// What can be done on the page. Buttons, keys and the pointer all come through here.

import { ApiError, session as sessionApi, studio as readStudio } from "./api.js";
import { Connection } from "./connection.js";
import { clamp } from "./dom.js";
import { FrameStore } from "./frames.js";
import { MaskStore } from "./masks.js";
import { jobActive, nameOf, objectOf } from "./store.js";
import { Timeline } from "./scores.js";
import { toast } from "./toast.js";

const SETTLE = 150; // ms after a change before scores and the review list are read again
const SETTLE_JOB = 1500; // the same while tracking, when changes follow each other

export class Controller {
  #gestures = Promise.resolve(); // sent one after another, in the order in which they were made
  #coming = null; // promise of the id of an object that is being made, and is selected then
  #masksRequest = null;
  #settle = 0; // timer that reads scores and the review list
  #settleAt = 0; // when it goes off
  #following = false;
  #jobSeen = null;
  #connection;

  constructor(store) {
    this.store = store;
    this.api = null;
    this.frames = null;
    this.masks = new MaskStore();
    this.timeline = new Timeline(0);
    this.pendingMarks = []; // clicks, boxes and strokes that the server has not answered yet
    this.#connection = new Connection({
      state: (state) => this.#takeState(state),
      masks: (masks) => this.#takeTracked(masks),
      problem: (problem) => toast(problem.error, "error"),
      status: (connection) => store.set({ connection }),
      back: (told) => this.#returned(told),
      gone: () => this.#reopen(),
    });
  }

  get state() {
    return this.store.state;
  }

  /** Run a task; what goes wrong becomes a toast. Resolves to undefined then. */
  async attempt(task) {
    try {
      return await task();
    } catch (error) {
      if (error.name === "AbortError") return undefined;
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 401) this.store.set({ connection: "refused" });
      // that nothing can be read is what the banner says already
      if (!(error.status === 0 && error.reading)) toast(error.message, "error");
      return undefined;
    }
  }

  // ---- sessions

  /** Show a session, given its state as the server tells it. */
  open(session) {
    this.api = sessionApi(session.id);
    this.frames = new FrameStore(this.api);
    this.masks.clear();
    this.timeline = new Timeline(session.frame_count);
    this.pendingMarks = [];
    this.#jobSeen = session.job;
    const kept = Number.parseInt(new URLSearchParams(location.hash.slice(1)).get("frame") ?? "", 10);
    const same = this.sessionInHash() === session.id;
    const frame = same && Number.isFinite(kept) ? kept : (session.annotated[0] ?? 0);
    this.store.set({
      session,
      frame: clamp(frame, 0, session.frame_count - 1),
      times: null,
      masks: null,
      review: [],
      objectId: session.objects[0]?.id ?? null,
      markIn: null,
      markOut: null,
      playing: false,
      before: false,
      latency: null,
    });
    this.rememberPlace();
    this.#connection.start(this.api);
    this.loadMasks();
    this.#readTimes();
    this.#settleSoon(0);
  }

  #readTimes() {
    const api = this.api;
    this.attempt(async () => {
      const { times } = await api.times();
      if (api === this.api) this.store.set({ times });
    });
  }

  sessionInHash() {
    return new URLSearchParams(location.hash.slice(1)).get("session");
  }

  /** Keep session and frame in the address, so that a reload comes back to them. */
  rememberPlace() {
    if (!this.state.session) return;
    const place = new URLSearchParams({
      session: this.state.session.id,
      frame: this.state.frame,
    });
    history.replaceState(null, "", `#${place}`);
  }

  async #reopen() {
    // the server was started anew and does not know the session: it may have it under another id
    const name = this.state.session?.name;
    await this.attempt(async () => {
      const { sessions } = await readStudio();
      const found = sessions.find((entry) => entry.name === name);
      if (found) this.open(await sessionApi(found.id).state());
      else {
        this.#connection.stop();
        this.store.set({ connection: "gone" });
      }
    });
  }

  async #returned(told) {
    await this.attempt(async () => {
      this.masks.clear();
      this.#takeState(await this.api.state(), true);
      this.loadMasks();
      if (told) toast("Connected again.");
    });
  }

  #takeState(session, always = false) {
    const old = this.state.session;
    if (!old || session.id !== old.id) return;
    // an answer may be overtaken by an event, as that of an export that is done at once
    if (!always && session.moment < old.moment) return;
    const change = { session };
    if (!objectOf({ session }, this.state.objectId)) change.objectId = session.objects[0]?.id ?? null;
    this.store.set(change);
    if (this.state.connection === "polling") this.#follow(session.job?.frame);
    this.#noticeJob(session.job);
    if (always || session.revision !== old.revision) {
      const comes = jobActive(session.job) && this.state.connection === "live"; // as an event
      if (this.state.masks?.revision !== session.revision && !comes) this.loadMasks();
      this.#settleSoon(jobActive(session.job) ? SETTLE_JOB : SETTLE);
    }
  }

  #noticeJob(job) {
    const before = this.#jobSeen;
    this.#jobSeen = job;
    if (!jobActive(before) || jobActive(job)) return;
    this.#following = false;
    this.loadMasks();
    this.#settleSoon(0);
    if (!job) return;
    if (job.state === "failed") toast(job.message || "The job failed.", "error");
    else if (job.kind === "track") {
      const done = `${job.done} ${job.done === 1 ? "frame" : "frames"}`;
      toast(job.state === "cancelled" ? `Stopped after ${done}; finished frames are kept.` : `Tracked ${done}.`);
    }
  }

  #takeTracked(masks) {
    this.masks.put(masks);
    this.timeline.put(masks);
    this.store.set({ timelineVersion: this.state.timelineVersion + 1 });
    if (masks.frame === this.state.frame) this.#show(masks);
    else this.#follow(masks.frame);
  }

  /** Show a frame that was just tracked, where the user has not gone elsewhere. */
  #follow(frame) {
    if (!this.#following || !this.state.follow || this.state.playing || !Number.isInteger(frame)) return;
    if (this.shownFrame === this.state.frame) this.#jump(frame);
  }

  /** Read scores and review list after `wait` ms, or when that was planned already, if sooner. */
  #settleSoon(wait) {
    const now = performance.now();
    if (this.#settleAt > now && this.#settleAt <= now + wait) return;
    clearTimeout(this.#settle);
    this.#settleAt = now + wait;
    this.#settle = setTimeout(() => {
      const api = this.api;
      this.attempt(async () => {
        const [timeline, review] = await Promise.all([api.timeline(), api.review()]);
        if (api !== this.api) return;
        this.timeline.read(timeline);
        this.store.set({
          review: review.frames,
          timelineVersion: this.state.timelineVersion + 1,
        });
      });
    }, wait);
  }

  // ---- frames

  /** Frame whose picture is on the canvas; set by the canvas. */
  shownFrame = null;

  goTo(frame) {
    this.#following = false;
    this.#jump(frame);
  }

  #jump(frame) {
    const { session } = this.state;
    if (!session) return;
    const target = clamp(Math.round(frame), 0, session.frame_count - 1);
    if (target === this.state.frame) return;
    this.store.set({ frame: target, masks: this.masks.get(target) });
    this.loadMasks();
  }

  step(count) {
    this.store.set({ playing: false });
    this.goTo(this.state.frame + count);
  }

  togglePlay() {
    const { session, frame, playing } = this.state;
    if (!session) return;
    if (!playing && frame >= session.frame_count - 1) this.goTo(0);
    this.store.set({ playing: !playing });
  }

  /** To the next (or, with -1, the previous) annotated frame. */
  goToAnnotated(direction) {
    const { session, frame } = this.state;
    if (!session) return;
    const ahead = session.annotated.filter((index) => (index - frame) * direction > 0);
    if (ahead.length > 0) this.goTo(direction > 0 ? Math.min(...ahead) : Math.max(...ahead));
    else toast(direction > 0 ? "No annotated frame follows." : "No annotated frame before this.");
  }

  /** Read the masks of the shown frame, unless those at hand are of this revision. */
  async loadMasks() {
    const { frame, session, before } = this.state;
    if (!session) return;
    const api = this.api;
    const known = this.masks.get(frame);
    if (known && !before) {
      this.#show(known);
      if (known.revision === session.revision) return;
    }
    this.#masksRequest?.abort();
    const request = new AbortController();
    this.#masksRequest = request;
    await this.attempt(async () => {
      const masks = await api.masks(frame, { before, signal: request.signal });
      if (api !== this.api) return;
      if (!before) this.masks.put(masks);
      if (frame === this.state.frame && before === this.state.before) this.#show(masks);
    });
  }

  /** Read masks ahead of playback, so that they are there when their frame is shown. */
  async prefetchMasks(frame) {
    const { session } = this.state;
    if (session.objects.length === 0 || this.masks.get(frame)?.revision === session.revision) return;
    const api = this.api;
    try {
      const masks = await api.masks(frame);
      if (api === this.api) this.masks.put(masks);
    } catch {
      // the frame is read again, and the failure told, when it is shown
    }
  }

  #show(masks) {
    this.store.set({ masks, masksVersion: this.state.masksVersion + 1 });
  }

  /** Show the masks from before the last correction or tracking, as long as it is on. */
  compare(on) {
    if (!this.state.session || this.state.before === on) return;
    this.store.set({ before: on });
    this.loadMasks();
  }

  // ---- objects

  select(objectId) {
    this.#coming = null;
    this.store.set({ objectId });
  }

  selectNth(number) {
    const object = this.state.session?.objects[number - 1];
    if (object) this.select(object.id);
  }

  /**
   * Make an object and select it; resolves to its id, or undefined where that failed. Gestures that
   * are made before the server has answered are for the new object already.
   */
  newObject() {
    if (!this.state.session) return null;
    const coming = this.#gestures.then(() =>
      this.attempt(async () => {
        const known = new Set(this.state.session.objects.map((object) => object.id));
        const session = await this.api.addObject();
        const added = session.objects.find((object) => !known.has(object.id));
        this.#takeState(session);
        if (added && this.#coming === coming) this.select(added.id);
        return added?.id;
      }),
    );
    this.#coming = coming;
    this.#gestures = coming;
    coming.then((id) => {
      if (id === undefined && this.#coming === coming) this.#coming = null;
    });
    return coming;
  }

  changeObject(objectId, change) {
    return this.attempt(async () => {
      this.#takeState(await this.api.changeObject(objectId, change));
    });
  }

  toggleVisible(objectId) {
    const object = objectOf(this.state, objectId);
    return object ? this.changeObject(objectId, { visible: !object.visible }) : null;
  }

  deleteObject(objectId) {
    return this.attempt(async () => {
      this.#takeState(await this.api.deleteObject(objectId));
      this.masks.clear();
      this.loadMasks();
    });
  }

  // ---- gestures

  /** Send a gesture on the shown frame for the selected object, made first where there is none. */
  gesture(gesture) {
    const { session, frame } = this.state;
    if (!session) return this.#gestures;
    this.store.set({ playing: false, pending: this.state.pending + 1 });
    this.#following = false;
    const target = this.#coming ?? this.state.objectId ?? this.newObject();
    const mark = { ...gesture, frame, object: this.state.objectId };
    this.pendingMarks.push(mark);
    this.#touchMarks();
    this.#gestures = this.#gestures.then(async () => {
      const object = await target;
      await this.attempt(async () => {
        if (object === undefined || object === null) return; // making it failed and said so
        const before = this.masks.get(frame);
        const answer = await this.api.gesture({ ...gesture, frame, object });
        this.#answer(answer);
        this.#warnOfTaking(before, answer.masks, object);
      });
      this.pendingMarks = this.pendingMarks.filter((pending) => pending !== mark);
      this.store.set({ pending: this.state.pending - 1 });
      this.#touchMarks();
    });
    return this.#gestures;
  }

  /** Say so where a gesture for one object took most of another. */
  #warnOfTaking(before, after, objectId) {
    const left = (id) => after.objects.find((mask) => mask.id === id)?.area ?? 0;
    const taken = (before?.objects ?? []).filter(({ id, area }) => id !== objectId && left(id) < area / 2);
    if (taken.length === 0) return;
    const names = taken.map(({ id }) => this.nameOf(id)).join(", ");
    toast(`This took most of ${names}. If that is wrong, undo it and draw a box.`);
  }

  #touchMarks() {
    this.store.set({ masksVersion: this.state.masksVersion + 1 });
  }

  #answer({ state, masks, frame, milliseconds }) {
    if (milliseconds !== undefined) this.store.set({ latency: milliseconds });
    this.#takeState(state);
    if (masks) {
      this.masks.put(masks);
      if (masks.frame !== this.state.frame && frame !== undefined) this.#jump(frame);
      if (masks.frame === this.state.frame) this.#show(masks);
    } else if (frame !== undefined && frame !== null) {
      this.#jump(frame);
      this.loadMasks();
    }
  }

  undo() {
    if (this.state.session?.can_undo) this.#history("undo");
  }

  redo() {
    if (this.state.session?.can_redo) this.#history("redo");
  }

  #history(action) {
    this.#gestures = this.#gestures.then(() =>
      this.attempt(async () => this.#answer(await this.api[action]())),
    );
  }

  /** Take back every gesture of the selected object on this frame. */
  clearFrame() {
    if (this.state.objectId !== null) this.gesture({ kind: "clear" });
  }

  // ---- jobs

  setMark(which) {
    const { frame, markIn, markOut } = this.state;
    if (which === "in") {
      this.store.set({ markIn: frame, markOut: markOut !== null && markOut < frame ? null : markOut });
    } else {
      this.store.set({ markOut: frame, markIn: markIn !== null && markIn > frame ? null : markIn });
    }
  }

  clearMarks() {
    this.store.set({ markIn: null, markOut: null });
  }

  /** Track on from the shown frame: forward, backward or both. */
  track(direction) {
    const { frame, untilNext } = this.state;
    return this.#startTrack({ start: frame, stop: null, direction, until_next: untilNext });
  }

  /** Track between the marks, away from whichever of them has masks to start from. */
  trackBetweenMarks() {
    const { markIn, markOut, session } = this.state;
    if (markIn === null || markOut === null) {
      toast("Set both marks first: I on the first frame, O on the last.", "error");
      return null;
    }
    const known = (frame) =>
      session.annotated.includes(frame) ||
      session.tracked.some(([first, last]) => first <= frame && frame <= last);
    const backward = !known(markIn) && known(markOut);
    return this.#startTrack({
      start: backward ? markOut : markIn,
      stop: backward ? markIn : markOut,
      direction: backward ? "backward" : "forward",
    });
  }

  #startTrack(request) {
    if (!this.state.session) return null;
    this.store.set({ playing: false });
    this.#following = true;
    const job = this.#gestures.then(() =>
      this.attempt(async () => {
        this.#takeState(await this.api.track(request));
      }),
    );
    this.#gestures = job;
    return job;
  }

  job(action) {
    if (!jobActive(this.state.session?.job)) return null;
    return this.attempt(async () => {
      this.#takeState(await this.api.job(action));
    });
  }

  togglePause() {
    const job = this.state.session?.job;
    if (jobActive(job)) this.job(job.state === "paused" ? "resume" : "pause");
  }

  startExport(output, look) {
    return this.attempt(async () => {
      const session = await this.api.export(output, look);
      this.#takeState(session);
      return session;
    });
  }

  // ---- review

  /** To the next entry of the review list after this frame, or back with -1. */
  nextReview(direction = 1) {
    const { frame, objectId, review, session } = this.state;
    if (!session) return;
    if (review.length === 0) {
      toast("Nothing to review.");
      return;
    }
    const exact = review.findIndex((entry) => entry.frame === frame && entry.object === objectId);
    const here = exact >= 0 ? exact : review.findIndex((entry) => entry.frame === frame);
    const place = here < 0 ? (direction > 0 ? 0 : review.length - 1) : here + direction;
    this.visitReview(review[(place + review.length) % review.length]);
  }

  visitReview(entry) {
    this.store.set({ playing: false });
    this.goTo(entry.frame);
    if (objectOf(this.state, entry.object)) this.select(entry.object);
  }

  /** Take the shown frame off the review list and go on to the next. */
  accept() {
    const { frame, review } = this.state;
    const place = review.findIndex((entry) => entry.frame === frame);
    if (place < 0) {
      toast("This frame is not on the review list.");
      return null;
    }
    return this.attempt(async () => {
      this.#takeState(await this.api.accept(frame));
      const left = review.filter((entry) => entry.frame !== frame);
      this.store.set({ review: left });
      if (left.length > 0) this.visitReview(left[Math.min(place, left.length - 1)]);
      else toast("All reviewed.");
    });
  }

  /** Name of an object for messages. */
  nameOf(objectId) {
    const object = objectOf(this.state, objectId);
    return object ? nameOf(object) : `Object ${objectId}`;
  }
}
