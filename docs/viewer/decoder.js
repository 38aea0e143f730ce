// SPDX-License-Identifier: Apache-2.0
// The page's side of the worker.

const SCRIPT = new URL('worker.js', import.meta.url).href;
/** Where a browser wants to know which scripts a page starts: this one, and no other. */
const policy = globalThis.trustedTypes?.createPolicy('sdc-viewer', {
  createScriptURL: (url) => { if (url !== SCRIPT) throw new TypeError(`not a script of this page: ${url}`); return url; },
});

/** What a decoder says against a file: code and class of the specification, and where. */
export class Fault extends Error {
  constructor({ code, cls, message, offset, where }) {
    super(message);
    Object.assign(this, { code, cls, offset, where });
  }
}

export class Decoder {
  #worker = new Worker(policy?.createScriptURL(SCRIPT) ?? SCRIPT, { type: 'module' });

  #waiting = new Map();

  #count = 0;

  constructor() {
    this.#worker.addEventListener('message', ({ data: { id, ok, fault } }) => {
      const { resolve, reject } = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (fault) reject(new Fault(fault)); else resolve(ok);
    });
    this.#worker.addEventListener('error', (event) => {
      const error = new Error(event.message || 'the worker that decodes could not be started');
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    });
  }

  /** What an operation of worker.js answers. Throws Fault for what the decoder says. */
  ask(op, asked = {}, buffers = []) {
    this.#count += 1;
    const id = this.#count;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, op, ...asked }, buffers);
    });
  }
}
