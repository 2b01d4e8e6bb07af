// npm run build: installs what is missing, and builds everything.
import { main, prepare } from './prepare.mjs';

await main(async () => {
  await prepare({ web: true });
  return 0;
});
