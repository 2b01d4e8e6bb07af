/** The largest of profiles for printers have some 3 MiB. */
export const MAX_PROFILE_BYTES = 4 * 1024 * 1024;
const HEADER_BYTES = 128;
const MAX_TAGS = 200;

/**
 * Whether these bytes are a colour profile (ICC.1) and nothing else: its header is valid, and its tags have all bytes
 * but those that align them. Its description is part of it.
 */
export function isProfile(bytes: Buffer): boolean {
  if (bytes.length < HEADER_BYTES + 4 || bytes.length > MAX_PROFILE_BYTES) return false;
  const [version, count] = [bytes[8]!, bytes.readUInt32BE(HEADER_BYTES)];
  const isHeader =
    bytes.readUInt32BE(0) === bytes.length &&
    bytes.toString('latin1', 36, 40) === 'acsp' &&
    version >= 2 &&
    version <= 5 &&
    /^(?:XYZ |Lab )$/.test(bytes.toString('latin1', 20, 24)) &&
    isEmpty(bytes.subarray(100, HEADER_BYTES));
  const tagsAt = HEADER_BYTES + 4 + 12 * count;
  if (!isHeader || count === 0 || count > MAX_TAGS || tagsAt > bytes.length) return false;
  const tags = Array.from({ length: count }, (_, tag) => {
    const at = HEADER_BYTES + 4 + 12 * tag;
    const start = bytes.readUInt32BE(at + 4);
    return { start, end: start + bytes.readUInt32BE(at + 8) };
  }).toSorted((a, b) => a.start - b.start);
  let end = tagsAt;
  for (const tag of [...tags, { start: bytes.length, end: bytes.length }]) {
    const gap = bytes.subarray(end, Math.max(end, tag.start));
    if (tag.start < tagsAt || tag.end > bytes.length || gap.length > 3 || !isEmpty(gap)) return false;
    end = Math.max(end, tag.end);
  }
  return true;
}

const isEmpty = (bytes: Buffer): boolean => bytes.every((byte) => byte === 0);
