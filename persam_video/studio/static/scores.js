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
