/** Exif with nothing but the orientation. */
export function exifOf(orientation: number): Buffer {
  const exif = Buffer.from('49492a00 08000000 0100 1201 0300 01000000 00000000 00000000'.replaceAll(' ', ''), 'hex');
  exif.writeUInt16LE(orientation, 18);
  return exif;
}
