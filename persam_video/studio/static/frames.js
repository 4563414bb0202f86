// Pictures of frames, decoded before they are shown, with a bounded store.

const WIDTHS = [640, 960, 1280, 1920, 2560];
const KEPT = 120;
const AT_ONCE = 3; // browsers open six connections to a host; the events and the masks need theirs

/** The width to ask the server for, so that `pixels` of the screen are covered; null: the video's. */
export function widthFor(pixels, videoWidth) {
  const enough = WIDTHS.find((width) => width >= pixels);
  return enough === undefined || enough >= videoWidth ? null : enough;
}

export class FrameStore {
  #api;
  #pictures = new Map(); // key -> {picture, ready, promise}
  #waiting = [];
  #running = 0;

  constructor(api) {
    this.#api = api;
  }

  /** The picture if it is decoded already, else null. */
  peek(frame, width) {
    const found = this.#pictures.get(`${frame}/${width}`);
    return found?.ready ? found.picture : null;
  }

  /** Load and decode; resolves to the picture. Urgent ones go before those that are prefetched. */
  load(frame, width, urgent = true) {
    const key = `${frame}/${width}`;
    const found = this.#pictures.get(key);
    if (found) {
      this.#pictures.delete(key);
      this.#pictures.set(key, found);
      if (urgent) this.#hurry(found);
      return found.promise;
    }
    const entry = { picture: new Image(), ready: false, start: null };
    entry.promise = new Promise((resolve, reject) => {
      entry.start = async () => {
        this.#running += 1;
        entry.picture.src = this.#api.frameUrl(frame, width);
        try {
          await entry.picture.decode();
          entry.ready = true;
          resolve(entry.picture);
        } catch (error) {
          this.#pictures.delete(key);
          reject(error);
        } finally {
          this.#running -= 1;
          this.#next();
        }
      };
    });
    entry.promise.catch(() => {}); // whoever waits for it hears of it
    this.#pictures.set(key, entry);
    if (urgent) this.#waiting.unshift(entry);
    else this.#waiting.push(entry);
    this.#forget();
    this.#next();
    return entry.promise;
  }

  /** Drop what is waiting and not urgent any more, for instance after a jump. */
  dropWaiting() {
    for (const [key, entry] of this.#pictures) {
      if (this.#waiting.includes(entry)) this.#pictures.delete(key);
    }
    this.#waiting = [];
  }

  #hurry(entry) {
    const place = this.#waiting.indexOf(entry);
    if (place > 0) {
      this.#waiting.splice(place, 1);
      this.#waiting.unshift(entry);
    }
  }

  #next() {
    while (this.#running < AT_ONCE && this.#waiting.length > 0) this.#waiting.shift().start();
  }

  #forget() {
    for (const [key, entry] of this.#pictures) {
      if (this.#pictures.size <= KEPT) break;
      if (entry.ready) this.#pictures.delete(key);
    }
  }
}
