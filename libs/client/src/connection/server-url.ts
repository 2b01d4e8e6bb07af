/** The origin and path of a server's address, without slashes at the end. Throws a TypeError for what is no address. */
export function serverUrlOf(url: string): string {
  const { origin, pathname } = new URL(url);
  let end = pathname.length;
  while (pathname[end - 1] === '/') end--;
  return origin + pathname.slice(0, end);
}
