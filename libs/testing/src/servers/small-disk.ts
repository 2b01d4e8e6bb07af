import { open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { Folder } from './local-host.js';

/** Whether this process may mount a {@link SmallDisk}: root on Linux. */
export const canMountDisks = process.platform === 'linux' && process.getuid?.() === 0;

/** A disk of its own, in memory, for tests that fill it. It is gone when this process ends. */
export class SmallDisk {
  private readonly folder = new Folder('disk');

  /** Mounts it. */
  static async create(megabytes: number): Promise<SmallDisk> {
    const disk = new SmallDisk();
    await disk.folder.mount(megabytes);
    return disk;
  }

  get path(): string {
    return this.folder.path;
  }

  private get filler(): string {
    return join(this.path, '.filler');
  }

  /** Fills it with one file, except for this many megabytes. */
  async fill(leftMegabytes = 0): Promise<void> {
    await fillDisk(this.filler, leftMegabytes);
  }

  /** Removes what {@link fill} wrote. */
  async makeRoom(): Promise<void> {
    await rm(this.filler, { force: true });
  }

  async remove(): Promise<void> {
    await this.folder.remove();
  }
}

/** Fills the disk of the file at `path` by writing it, except for this many megabytes. */
export async function fillDisk(path: string, leftMegabytes = 0): Promise<void> {
  const file = await open(path, 'w');
  try {
    const { bavail, bsize } = await statfs(path);
    let rest = bavail * bsize - leftMegabytes * 1024 * 1024;
    for (let size = 1 << 20; size >= 1 << 10; size >>= 1) {
      const block = Buffer.alloc(size);
      for (let full = false; !full && (leftMegabytes === 0 || rest >= size); rest -= size)
        full = await file.write(block).then(
          ({ bytesWritten }) => bytesWritten < size,
          () => true,
        );
    }
  } finally {
    await file.close();
  }
}
