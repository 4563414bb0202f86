// Pictures of frames, decoded before they are shown, with a bounded store.

const WIDTHS = [640, 960, 1280, 1920, 2560];
const MOST_PICTURES = 240;
const MOST_PIXELS = 80_000_000; // decoded, they take four bytes each
const AT_ONCE = 3; // browsers open six connections to a host; the events and the masks need theirs

/** The width to ask the server for, so that `pixels` of the screen are covered; null: the video's. */
export function widthFor(pixels, videoWidth) {
  const enough = WIDTHS.find((width) => width >= pixels);
  return enough === undefined || enough >= videoWidth ? null : enough;
}

export class FrameStore {
  #api;
  #pictures = new Map(); // key -> {picture, ready, promise, start, drop}, least recently used first
  #waiting = [];
  #running = 0;
  #pixels = 0; // of all pictures that are ready

  constructor(api) {
    this.#api = api;
  }

  /** The picture if it is decoded already, else null. */
  peek(frame, width) {
    const found = this.#pictures.get(`${frame}/${width}`);
    return found?.ready ? found.picture : null;
  }

  /** Load and decode before everything else that waits, which is given up; resolves to the picture. */
  hurry(frame, width) {
    const entry = this.#entry(frame, width);
    const others = this.#waiting.filter((other) => other !== entry);
    this.#waiting = this.#waiting.filter((other) => other === entry);
    for (const other of others) other.drop(new DOMException("another frame is wanted", "AbortError"));
    this.#next();
    return entry.promise;
  }

  /** Load and decode when it is its turn; resolves to the picture, rejects when it is given up. */
  load(frame, width) {
    const entry = this.#entry(frame, width);
    this.#next();
    return entry.promise;
  }

  #entry(frame, width) {
    const key = `${frame}/${width}`;
    const found = this.#pictures.get(key);
    if (found) {
      this.#pictures.delete(key);
      this.#pictures.set(key, found);
      return found;
    }
    const entry = { picture: new Image(), ready: false };
    entry.promise = new Promise((resolve, reject) => {
      entry.drop = (reason) => {
        this.#pictures.delete(key);
        reject(reason);
      };
      entry.start = async () => {
        this.#running += 1;
        entry.picture.src = this.#api.frameUrl(frame, width);
        try {
          await entry.picture.decode();
          entry.ready = true;
          this.#pixels += entry.picture.naturalWidth * entry.picture.naturalHeight;
          this.#forget();
          resolve(entry.picture);
        } catch (error) {
          entry.drop(error);
        } finally {
          this.#running -= 1;
          this.#next();
        }
      };
    });
    entry.promise.catch(() => {}); // whoever waits for it hears of it
    this.#pictures.set(key, entry);
    this.#waiting.push(entry);
    return entry;
  }

  #next() {
    while (this.#running < AT_ONCE && this.#waiting.length > 0) this.#waiting.shift().start();
  }

  #forget() {
    for (const [key, { ready, picture }] of this.#pictures) {
      if (this.#pictures.size <= MOST_PICTURES && this.#pixels <= MOST_PIXELS) break;
      if (!ready) continue;
      this.#pictures.delete(key);
      this.#pixels -= picture.naturalWidth * picture.naturalHeight;
    }
  }
}
