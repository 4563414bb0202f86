// Starting, watching and stopping the tracker.

import { byId, make, makeButton, makeCheck, redress } from "./dom.js";
import { jobActive } from "./store.js";

/** Seconds as "8 s", "2 min 5 s" or "1 h 10 min". */
function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** How far a job is, and how fast, in two lines. */
export function jobLines(job) {
  const what = job.kind === "export" ? "Exporting" : "Tracking";
  if (job.state === "queued") return [`${what}: waiting for its turn`];
  if (!jobActive(job)) return [job.message || { done: "Done.", cancelled: "Stopped." }[job.state] || ""];
  const far = job.total ? `${job.done} of ${job.total} frames` : `${what} …`;
  if (job.state === "paused") return [far, "paused"];
  const speed = [];
  if (job.fps) speed.push(`${job.fps.toFixed(1)} frames/s`);
  if (typeof job.seconds_left === "number") speed.push(`${duration(job.seconds_left)} left`);
  return [far, speed.join(" · ")].filter(Boolean);
}

export function showJobs(controller) {
  const { store } = controller;
  const ways = [
    ["forward", "Track on from here", "Track on from here", "T", "button primary wide"],
    ["backward", "Backwards", "Track backwards from here", "Shift+T", "button"],
    ["both", "Both ways", "Track both ways from here", "Y", "button"],
  ].map(([direction, text, label, keys, className]) =>
    makeButton(className, { symbol: direction, text, label, keys, press: () => controller.track(direction) }),
  );
  const between = makeButton("button wide", {
    symbol: "marks",
    text: "Between the marks",
    label: "Track between the marks",
    keys: "R",
    press: () => controller.trackBetweenMarks(),
  });
  const start = make("div", { className: "track-buttons" }, ...ways, between);
  const work = make("div", { className: "job", id: "job" });
  byId("track").append(
    start,
    work,
    makeCheck(store, "untilNext", "Stop at the next annotation"),
    makeCheck(store, "follow", "Show frames while tracking"),
  );

  const bar = make("progress", { max: "1", "aria-label": "Progress" });
  const far = make("p", { className: "job-line" });
  const speed = make("p", { className: "job-line muted" });
  const pause = makeButton("icon-button", {
    symbol: "pause",
    label: "Pause",
    keys: "P",
    press: () => controller.togglePause(),
  });
  const cancel = makeButton("icon-button", {
    symbol: "stop",
    label: "Stop; finished frames are kept",
    keys: "K",
    press: () => controller.job("cancel"),
  });
  work.append(make("div", { className: "job-row" }, make("div", {}, far, speed), pause, cancel), bar);

  store.watch(["session", "markIn", "markOut"], ({ session, markIn, markOut }) => {
    const job = session?.job ?? null;
    const active = jobActive(job);
    const ready = Boolean(session) && !active && session.objects.length > 0;
    for (const button of ways) button.disabled = !ready;
    between.hidden = markIn === null && markOut === null;
    between.disabled = !ready || markIn === null || markOut === null;
    const held = (active ? start : work).contains(document.activeElement);
    start.hidden = active;
    work.hidden = !active;
    if (held) (active ? cancel : ways[0]).focus(); // it would be lost with what is hidden
    if (!active) return;
    [far.textContent, speed.textContent = ""] = jobLines(job);
    if (job.total) bar.value = job.done / job.total;
    else bar.removeAttribute("value");
    const paused = job.state === "paused";
    redress(pause, paused ? "play" : "pause", paused ? "Go on" : "Pause", "P");
    pause.hidden = job.kind !== "track" || job.state === "queued";
  });
}
