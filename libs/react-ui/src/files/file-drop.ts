import { useEffect, useRef, useState } from 'react';

/** Files that were dropped or pasted, and the names of folders among them, which cannot be sent. */
export interface DroppedFiles {
  readonly files: readonly File[];
  readonly folders: readonly string[];
}

/** `dragover` repeats at least this often while files are over the page. */
const DRAG_PAUSE_MS = 700;

const hasFiles = ({ dataTransfer }: DragEvent): boolean => dataTransfer?.types.includes('Files') ?? false;

/** Call it in the handler of the event: its data is gone afterwards. */
export function droppedFilesOf(data: DataTransfer): DroppedFiles {
  const folders = new Set<string>();
  const files: File[] = [];
  for (const item of data.items) {
    if (item.kind !== 'file') continue;
    const entry = item.webkitGetAsEntry();
    const file = item.getAsFile();
    if (entry?.isDirectory) folders.add(entry.name);
    else if (file) files.push(file);
  }
  return { files, folders: [...folders] };
}

/**
 * Whether the pictures among pasted data only show its text, as spreadsheets and word processors offer a selection. Beside
 * a picture that was copied as one, there is at most an `<img>`, and beside a file its name without markup.
 */
export const isPictureOfText = (data: DataTransfer): boolean =>
  Array.from(data.files).every(({ type }) => type.startsWith('image/')) &&
  data.getData('text/plain').trim() !== '' &&
  /<(?:table|p|h[1-6]|li|div|span)\b/i.test(data.getData('text/html'));

/**
 * Takes files that are dropped anywhere on the page while the component is mounted. Returns whether files are being
 * dragged over the page.
 */
export function useFileDrop(onDrop: (dropped: DroppedFiles) => void): boolean {
  const [isOver, setOver] = useState(false);
  const handler = useRef(onDrop);
  useEffect(() => void (handler.current = onDrop));
  useEffect(() => {
    const listening = new AbortController();
    const { signal } = listening;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = () => {
      clearTimeout(timer);
      setOver(false);
    };
    const over = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(true);
      clearTimeout(timer);
      timer = setTimeout(end, DRAG_PAUSE_MS);
    };
    const drop = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      end();
      handler.current(droppedFilesOf(event.dataTransfer!));
    };
    // Before the listeners of `refuseOtherDrops`.
    const options = { signal, capture: true };
    addEventListener('dragenter', over, options);
    addEventListener('dragover', over, options);
    addEventListener('drop', drop, options);
    return () => {
      listening.abort();
      clearTimeout(timer);
    };
  }, []);
  return isOver;
}

/** Keeps the browser from leaving the page for a file that is dropped where no component takes it. */
export function refuseOtherDrops(): void {
  addEventListener('dragover', (event) => {
    if (!hasFiles(event) || event.defaultPrevented) return;
    event.preventDefault();
    event.dataTransfer!.dropEffect = 'none';
  });
  addEventListener('drop', (event) => hasFiles(event) && event.preventDefault());
}
