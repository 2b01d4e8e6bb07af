import {
  Bell,
  Hash,
  Info,
  Keyboard,
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
import { labelOf, themeChoice } from '../settings/themes.ts';

/** Something to do, found by its label and by other words for it. */
export interface Action {
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
  const [, navigate] = useLocation();
  const isGuest = useMe().kind === 'guest';
  return [
    { label: 'New chat', words: 'write person', icon: <SquarePen size={20} />, run: () => newChat('direct') },
    { label: 'New group', words: 'create', icon: <UsersRound size={20} />, run: () => newChat('group') },
    ...(isGuest
      ? []
      : [{ label: 'New channel', words: 'create', icon: <Megaphone size={20} />, run: () => newChat('channel') }]),
    { label: 'Browse rooms', words: 'public', icon: <Hash size={20} />, run: () => navigate('/rooms') },
    { label: 'People', words: 'contacts blocked', icon: <Users size={20} />, run: () => navigate('/people') },
    {
      label: 'Settings',
      words: 'profile notifications password',
      icon: <Settings size={20} />,
      run: () => navigate('/settings'),
    },
    {
      label: 'Devices',
      words: 'sessions',
      icon: <MonitorSmartphone size={20} />,
      run: () => navigate('/settings/devices'),
    },
    {
      label: 'Activity',
      words: 'notifications mentions replies invitations',
      icon: <Bell size={20} />,
      run: () => navigate('/activity'),
    },
    {
      label: 'About Parley',
      words: 'version limits licences',
      icon: <Info size={20} />,
      run: () => navigate('/about'),
    },
    { label: 'Keys', words: 'keyboard shortcuts help', icon: <Keyboard size={20} />, run: keys },
    { label: 'Log out', words: 'sign out leave', icon: <LogOut size={20} />, run: logOut },
    ...densities.map((choice) => ({
      label: `Messages: ${choice}`,
      words: 'density size',
      icon: <Rows3 size={20} />,
      run: () => density.choose(choice),
    })),
    ...themeChoice.choices.map((choice) => ({
      label: `Theme: ${labelOf(choice)}`,
      words: 'colours colors dark light',
      icon: <Palette size={20} />,
      run: () => themeChoice.choose(choice),
    })),
  ];
}
