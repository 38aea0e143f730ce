// SPDX-License-Identifier: Apache-2.0
// Where the bytes of a stream come from. All that is fetched is counted.

const FIRST = 4096;
const LARGEST = 2 ** 30;

/** A file that is here as a whole. */
export class LocalFile {
  constructor(blob, name) { Object.assign(this, { blob, name, requests: 0, received: 0, remote: false }); }

  async first() {
    if (this.blob.size > LARGEST) throw new Error('the file has more than 1 GiB, which is more than this page takes');
    const bytes = new Uint8Array(await this.blob.arrayBuffer());
    return { bytes, total: bytes.length };
  }
}

/** What an answer says of the version of a file. */
const versionOf = (answer, total) => [answer.headers.get('etag'), answer.headers.get('last-modified'), total].join(' ');

/** A file at a URL, by ranges where the server has them. */
export class RemoteFile {
  constructor(url) {
    Object.assign(this, { url: new URL(url, document.baseURI), requests: 0, received: 0, remote: true, whole: false });
    if (!/^https?:$/.test(this.url.protocol)) throw new Error('only addresses that begin with http or https are fetched');
    // The policy of the page would refuse it, and fetch does not say that from an absent server.
    if (this.url.protocol === 'http:' && this.url.origin !== location.origin) {
      throw new Error(`this page reads from HTTPS and from its own server only, not from ${this.url.origin}`);
    }
    this.name = decodeURIComponent(this.url.pathname.split('/').pop()) || this.url.host;
  }

  async #ask(headers) {
    this.requests += 1;
    let answer;
    try {
      answer = await fetch(this.url, { headers, cache: 'no-store', referrerPolicy: 'no-referrer' });
    } catch {
      throw new Error(`${this.url.host} did not answer, or does not allow other pages to read its files (CORS)`);
    }
    if (!answer.ok) throw new Error(`${this.url.host} answered ${answer.status} ${answer.statusText}`);
    return answer;
  }

  async #body(answer) {
    let bytes;
    try {
      bytes = new Uint8Array(await answer.arrayBuffer());
    } catch {
      throw new Error(`${this.url.host} broke off in the middle of the file`);
    }
    this.received += bytes.length;
    return bytes;
  }

  /** The first bytes, and how many there are in all; all of them where the server does not answer with ranges. */
  async first() {
    let answer = await this.#ask({ Range: `bytes=0-${FIRST - 1}` });
    const said = /^bytes 0-(\d+)\/(\d+)$/.exec(answer.headers.get('content-range') ?? '');
    // A server of another origin may keep to itself how long the file is.
    if (answer.status === 206 && !said) answer = await this.#ask({});
    const total = answer.status === 206 ? Number(said[2]) : Number(answer.headers.get('content-length') ?? 0);
    if (total > LARGEST) throw new Error('the file has more than 1 GiB, which is more than this page takes');
    const bytes = await this.#body(answer);
    this.whole = answer.status !== 206;
    this.version = versionOf(answer, this.whole ? null : total);
    return { bytes, total: this.whole ? bytes.length : total };
  }

  /** The bytes from `from` to before `past`. */
  async range(from, past) {
    const answer = await this.#ask({ Range: `bytes=${from}-${past - 1}` });
    const said = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.headers.get('content-range') ?? '');
    const bytes = await this.#body(answer);
    const same = said && versionOf(answer, Number(said[3])) === this.version;
    if (!same) throw new Error('the file has changed on the server in between: open it again');
    if (Number(said[1]) !== from || bytes.length !== past - from) throw new Error(`${this.url.host} answered with bytes that were not asked for`);
    return bytes;
  }
}
