import {
  Bell,
  Hash,
  Info,
  Keyboard,
  Languages,
  LogOut,
  Megaphone,
  MonitorSmartphone,
  Palette,
  Rows3,
  Settings,
  SquarePen,
  Users,
  UsersRound,
} from 'lucide-react';
import type { ReactNode } from 'react';
import { useLocation } from 'wouter';
import { type Kind, useMe } from '@parley/react-ui/parts';
import { densities, density } from '../settings/density.ts';
import { themeChoice } from '../settings/themes.ts';
import { languages } from '@parley/react-ui';
import { languageChoice, languageTags } from '../settings/language.ts';
import { useAppStrings } from '../strings/app-strings.tsx';

/** Something to do, found by its label and by other words for it. */
export interface Action {
  /** The same in all languages. */
  readonly key: string;
  readonly label: string;
  readonly words?: string;
  readonly icon: ReactNode;
  readonly run: () => void;
}

interface Openers {
  readonly newChat: (kind: Kind) => void;
  readonly keys: () => void;
  readonly logOut: () => void;
}

/** The actions of the dialog that finds everything. */
export function useActions({ newChat, keys, logOut }: Openers): readonly Action[] {
  const { find, settings } = useAppStrings();
  const [, navigate] = useLocation();
  const isGuest = useMe().kind === 'guest';
  const named = (key: keyof typeof find.actions) => {
    const [label, words] = find.actions[key];
    return { key, label, words };
  };
  return [
    { ...named('newChat'), icon: <SquarePen size={20} />, run: () => newChat('direct') },
    { ...named('newGroup'), icon: <UsersRound size={20} />, run: () => newChat('group') },
    ...(isGuest ? [] : [{ ...named('newChannel'), icon: <Megaphone size={20} />, run: () => newChat('channel') }]),
    { ...named('rooms'), icon: <Hash size={20} />, run: () => navigate('/rooms') },
    { ...named('people'), icon: <Users size={20} />, run: () => navigate('/people') },
    { ...named('settings'), icon: <Settings size={20} />, run: () => navigate('/settings') },
    { ...named('devices'), icon: <MonitorSmartphone size={20} />, run: () => navigate('/settings/devices') },
    { ...named('activity'), icon: <Bell size={20} />, run: () => navigate('/activity') },
    { ...named('about'), icon: <Info size={20} />, run: () => navigate('/about') },
    { ...named('keys'), icon: <Keyboard size={20} />, run: keys },
    { ...named('logOut'), icon: <LogOut size={20} />, run: logOut },
    ...densities.map((choice) => ({
      key: `density ${choice}`,
      label: find.density(settings.densities[choice]),
      words: find.densityWords,
      icon: <Rows3 size={20} />,
      run: () => density.choose(choice),
    })),
    ...themeChoice.choices.map((choice) => ({
      key: `theme ${choice}`,
      label: find.theme(settings.themes[choice]),
      words: find.themeWords,
      icon: <Palette size={20} />,
      run: () => themeChoice.choose(choice),
    })),
    ...languageTags.map((choice) => ({
      key: `language ${choice}`,
      label: find.language(languages[choice]),
      words: find.languageWords,
      icon: <Languages size={20} />,
      run: () => languageChoice.choose(choice),
    })),
  ];
}
