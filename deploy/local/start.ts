/** What `npm start` ends in. */
import { launch } from './launcher.ts';

// Exits whatever a library may still hold open: everything that was started has ended.
process.exit(await launch());
