// Scores of every object in every frame, as the timeline draws them.

export class Timeline {
  /** @param {number} length frames of the video. */
  constructor(length) {
    this.length = length;
    this.objects = new Map(); // id -> {score: Float32Array (NaN: unknown), lost: Uint8Array}
  }

  #rows(objectId) {
    let rows = this.objects.get(objectId);
    if (!rows) {
      rows = { score: new Float32Array(this.length).fill(Number.NaN), lost: new Uint8Array(this.length) };
      this.objects.set(objectId, rows);
    }
    return rows;
  }

  /** Take over all that the server knows. */
  read({ frames, objects }) {
    this.objects.clear();
    for (const [id, given] of Object.entries(objects)) {
      const rows = this.#rows(Number(id));
      frames.forEach((frame, place) => {
        rows.score[frame] = given.score[place] ?? Number.NaN;
        rows.lost[frame] = given.lost[place] ? 1 : 0;
      });
    }
  }

  /** Take over one frame, as it comes from the tracker. */
  put(masks) {
    for (const object of masks.objects) {
      const rows = this.#rows(object.id);
      rows.score[masks.frame] = object.score ?? Number.NaN;
      rows.lost[masks.frame] = object.state === "lost" ? 1 : 0;
    }
  }

  /** Runs of frames in which the object is lost, as [first, last]. */
  lostRuns(objectId) {
    const rows = this.objects.get(objectId);
    const runs = [];
    if (!rows) return runs;
    for (let frame = 0; frame < this.length; frame += 1) {
      if (!rows.lost[frame]) continue;
      const first = frame;
      while (frame + 1 < this.length && rows.lost[frame + 1]) frame += 1;
      runs.push([first, frame]);
    }
    return runs;
  }
}

/**
 * Entries of the review list, with neighbouring frames of one object and one reason put together.
 * A group shows its most pressing frame (`frame`); the order is that of the most pressing ones.
 */
export function groupReview(entries) {
  const kinds = new Map();
  entries.forEach((entry, place) => {
    const kind = `${entry.object} ${entry.reason}`;
    if (!kinds.has(kind)) kinds.set(kind, []);
    kinds.get(kind).push({ entry, place });
  });
  const groups = [];
  for (const members of kinds.values()) {
    members.sort((one, other) => one.entry.frame - other.entry.frame);
    let group = null;
    for (const { entry, place } of members) {
      if (group !== null && entry.frame <= group.last + 1) {
        group.last = entry.frame;
        if (place < group.place) Object.assign(group, { ...entry, place });
      } else {
        group = { ...entry, place, first: entry.frame, last: entry.frame };
        groups.push(group);
      }
    }
  }
  return groups.sort((one, other) => one.place - other.place);
}
