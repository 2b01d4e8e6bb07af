import { Preference } from '@parley/react-ui/parts';

/** How much room messages take. */
export const densities = ['cosy', 'compact'] as const;
export type Density = (typeof densities)[number];
export const density = new Preference<Density>('parley:density', densities, 'cosy');

/** Shows messages in the chosen density from now on. */
export function followDensity(): void {
  const apply = () => void (document.documentElement.dataset['density'] = density.value);
  apply();
  density.subscribe(apply);
}
