export * from './access.js';
export * from './answer-size.js';
export * from './audience.js';
export * from './conversations.js';
export * from './cursor.js';
export * from './members.js';
export * from './reactions.js';
export * from './rows.js';
