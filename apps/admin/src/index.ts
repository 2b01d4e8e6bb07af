export { problemsOf } from './configuration/config-check.js';
export { programs, type Program } from './configuration/programs.js';
export { secretFiles, secretsCommand } from './secrets.js';
