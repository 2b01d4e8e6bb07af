import { randomInt } from 'node:crypto';

const MOODS = [
  'amber', 'bold', 'brave', 'bright', 'calm', 'clever', 'copper', 'cosy', 'curious', 'daring', 'eager', 'fair', 'fleet', 'gentle', 'golden', 'happy',
  'jolly', 'keen', 'kind', 'lively', 'lucky', 'mellow', 'merry', 'misty', 'nimble', 'noble', 'patient', 'plucky', 'polite', 'proud', 'quick', 'quiet',
  'rapid', 'rosy', 'ruby', 'sage', 'scarlet', 'shiny', 'silver', 'smart', 'snowy', 'solar', 'steady', 'sunny', 'swift', 'tidy', 'vivid', 'warm', 'wise', 'witty',
] as const;
const ANIMALS = [
  'badger', 'beaver', 'bison', 'crane', 'curlew', 'dolphin', 'eagle', 'falcon', 'ferret', 'finch', 'fox', 'gecko', 'gull', 'hare', 'heron', 'ibis',
  'jackdaw', 'jay', 'kestrel', 'koala', 'lark', 'lemur', 'lynx', 'magpie', 'marmot', 'marten', 'moose', 'newt', 'ocelot', 'orca', 'osprey', 'otter',
  'owl', 'panda', 'pelican', 'petrel', 'plover', 'puffin', 'quail', 'raven', 'robin', 'seal', 'stoat', 'swallow', 'swan', 'tapir', 'tern', 'turtle', 'wren', 'yak',
] as const;

const capital = (word: string): string => word[0]!.toUpperCase() + word.slice(1);

/** A name for a guest that people can say, 2,500 of them times `numbers`: `calm-otter-48213`, shown as `Calm Otter`. Not unique by itself. */
export function guestName(numbers: number): { username: string; displayName: string } {
  const mood = MOODS[randomInt(MOODS.length)]!;
  const animal = ANIMALS[randomInt(ANIMALS.length)]!;
  return { username: `${mood}-${animal}-${randomInt(numbers)}`, displayName: `${capital(mood)} ${capital(animal)}` };
}
