// SPDX-License-Identifier: Apache-2.0
// What is said of files, numbers and errors.

export const LEVELS = ['L1', 'L2', 'L3', 'other'];

const number = new Intl.NumberFormat('en');
export const count = (value, one, many = `${one}s`) => `${number.format(value)} ${value === 1 ? one : many}`;
export const bytes = (value) => count(value, 'byte');
export const percent = (part, whole) => `${(100 * part / whole).toFixed(part * 10 < whole ? 1 : 0)} %`;

const CLASSES = {
  invalid: 'This is not a valid SDC file, so nothing of it is shown.',
  unsupported: 'This page does not have what the file needs, so nothing of it is shown.',
  partial: 'A part of the file is missing, and the rest is shown.',
};
const CODES = {
  E_MAGIC: 'The file does not begin as SDC files do. Is it an image of another kind?',
  E_TRUNCATED: 'The file ends within its header: it was cut off, or not fully copied.',
  E_HEAD_CRC: 'The header is damaged: its checksum is wrong.',
  E_LIMIT: 'The image is too large for this page.',
  E_MODEL: 'The file needs a model that is not here. If you have its file, drop it here as well.',
  E_MODEL_HASH: 'The file needs a model of that number with other weights.',
  E_MODEL_FILE: 'The model file cannot be used.',
  E_FEATURE: 'The file needs a newer reader.',
  E_CHUNK_CRITICAL: 'The file needs a newer reader.',
  E_CHUNK_DAMAGED: 'A description beside the image is damaged or cut off.',
  E_GROUP_DAMAGED: 'A group is damaged: its checksum is wrong, so its cells are left empty.',
  E_GROUP_TRUNCATED: 'A group is cut off, so its cells are left empty.',
  E_OBJS: 'The list of objects breaks a rule, so no object is shown.',
  E_REST: 'What is said about restoring breaks a rule, so nothing is restored.',
  E_DEFLATE: 'A description beside the image cannot be unpacked.',
};

/** An error in words: {title, text, place}. `shown`: whether the image is shown nevertheless. */
export function explain(error, shown = false) {
  if (!error.code) return { title: 'That did not work.', text: `${error.message}.`, place: '' };
  const restoring = error.where.startsWith('REST');
  const title = restoring ? 'The image is shown, but not restored.' : CLASSES[shown ? 'partial' : error.cls] ?? '';
  const text = (restoring && error.cls === 'unsupported' ? 'It needs a restoration model that is not here.' : CODES[error.code]) ?? '';
  const at = error.offset === null ? '' : ` at byte ${number.format(error.offset)}`;
  const where = error.where ? ` (${error.where})` : '';
  return { title, text: text || sentence(error.message), place: `${error.code}${at}${where}: ${error.message}` };
}

function sentence(text) {
  return text ? `${text[0].toUpperCase()}${text.slice(1)}.` : '';
}
