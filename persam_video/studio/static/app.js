// Puts the page together and opens what it was called for.

import { session as sessionApi, studio as readStudio } from "./api.js";
import { Controller } from "./controller.js";
import { byId, dress } from "./dom.js";
import { ExportDialog } from "./export.js";
import { showHelp } from "./help.js";
import { showJobs } from "./jobs.js";
import { listenToKeys, makeBindings } from "./keyboard.js";
import { showObjects } from "./objects.js";
import { OpenDialog } from "./open.js";
import { showPlayer } from "./player.js";
import { showReview } from "./review.js";
import { Stage } from "./canvas.js";
import { createStore, initialState } from "./store.js";
import { showTheme } from "./theme.js";
import { TimelineView } from "./timeline.js";
import { showTools } from "./tools.js";

const BANNERS = {
  lost: "The server does not answer. Reconnecting … Nothing that was done is lost.",
  refused: "The server was started anew. Open the address that it printed to go on.",
  gone: "The server no longer knows this session. Open it again.",
  polling: "Live updates do not come through; the page asks for news instead.",
};

const store = createStore(initialState);
const controller = new Controller(store);
const stage = new Stage(controller);
const timeline = new TimelineView(controller);
const theme = showTheme(() => timeline.paint());
const openDialog = new OpenDialog(controller);
const exportDialog = new ExportDialog(controller);

showTools(controller, stage);
showObjects(controller);
showJobs(controller);
showReview(controller);
showPlayer(controller, stage);
showHeader();
showBanner();
showHints();

const context = { controller, stage, openDialog, exportDialog, theme };
const bindings = makeBindings(context);
const openHelp = showHelp(bindings);
listenToKeys(context, bindings, openHelp);

let remembering = 0;
store.watch(["frame"], () => {
  clearTimeout(remembering);
  remembering = setTimeout(() => controller.rememberPlace(), 300);
});

start();

function showHeader() {
  const undo = dress(byId("undo-button"), {
    symbol: "undo",
    label: "Undo",
    keys: "Ctrl+Z",
    press: () => controller.undo(),
  });
  const redo = dress(byId("redo-button"), {
    symbol: "redo",
    label: "Redo",
    keys: "Ctrl+Shift+Z",
    press: () => controller.redo(),
  });
  store.watch(["session"], ({ session }) => {
    undo.disabled = !session?.can_undo;
    redo.disabled = !session?.can_redo;
    if (!session) return;
    const facts = [
      session.name,
      `${session.width} × ${session.height}`,
      `${session.frame_count} ${session.frame_count === 1 ? "frame" : "frames"}`,
    ];
    if (session.fps) facts.push(`${Number(session.fps.toFixed(2))} fps`);
    byId("clip").textContent = facts.join(" · ");
    byId("clip").title = byId("clip").textContent;
    document.title = `${session.name} – persam-video studio`;
  });
}

function showBanner() {
  const banner = byId("offline");
  store.watch(["connection"], ({ connection }) => {
    banner.textContent = BANNERS[connection] ?? "";
    banner.hidden = banner.textContent === "";
    banner.dataset.kind = connection;
  });
}

function showHints() {
  const hint = byId("hint");
  const badge = byId("stage-badge");
  store.watch(["session", "pending"], ({ session, pending }) => {
    const fresh = session && session.annotated.length === 0 && pending === 0;
    hint.hidden = !fresh;
    hint.textContent = matchMedia("(pointer: coarse)").matches
      ? "Drag a box around the object to track, or tap it."
      : "Drag a box around the object to track, or click it. Right click takes away; ? for help.";
  });
  store.watch(["before", "masks"], ({ before, masks }) => {
    badge.hidden = !before;
    badge.textContent =
      masks?.is_other === false ? "Nothing to compare: no other masks before" : "Before the last change";
  });
}

async function start() {
  const known = await controller.attempt(() => readStudio());
  if (!known) {
    if (store.state.connection === "starting") store.set({ connection: "lost" });
    if (store.state.connection === "lost") setTimeout(start, 2000);
    return;
  }
  store.set({ connection: "live" });
  const wanted = controller.sessionInHash();
  const ids = known.sessions.map((entry) => entry.id);
  const only = ids.length === 1 ? ids[0] : null;
  const id = ids.includes(wanted) ? wanted : (known.open ?? only);
  const session = id === null ? null : await controller.attempt(() => sessionApi(id).state());
  if (session) controller.open(session);
  else openDialog.show();
}
