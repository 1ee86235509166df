import {
  ChartColumn,
  FileDown,
  FileUp,
  House,
  KeyRound,
  Logs,
  type LucideIcon,
  Package,
  Plus,
  Radio,
  ScanBarcode,
  ScrollText,
  ShieldCheck,
  ShoppingBag,
  Users,
  Webhook,
} from 'lucide-react'
import type { User } from '~/session/session'
import type { Texts } from '~/texts/en'

type Name = keyof Texts['nav']

/** The pages of the navigation. Those with `admin` are for admins alone, as their routes of the API are; the palette finds hidden ones too. */
export const PAGES: { name: Name; to: string; icon: LucideIcon; admin?: boolean; isHidden?: boolean }[] = [
  { name: 'home', to: '/', icon: House },
  { name: 'orders', to: '/orders', icon: ShoppingBag },
  { name: 'products', to: '/products', icon: Package },
  { name: 'newProduct', to: '/products/new', icon: Plus, isHidden: true },
  { name: 'stockCount', to: '/stock-count', icon: ScanBarcode },
  { name: 'reports', to: '/reports', icon: ChartColumn },
  { name: 'exports', to: '/exports', icon: FileDown },
  { name: 'imports', to: '/imports', icon: FileUp },
  { name: 'webhooks', to: '/webhooks', icon: Webhook },
  { name: 'events', to: '/events', icon: Radio },
  { name: 'users', to: '/users', icon: Users, admin: true },
  { name: 'keys', to: '/keys', icon: KeyRound, admin: true },
  { name: 'requests', to: '/requests', icon: Logs, admin: true },
  { name: 'audit', to: '/audit', icon: ScrollText, admin: true },
  { name: 'stockCheck', to: '/stock-check', icon: ShieldCheck, admin: true },
]

export function pagesOf(user: User | null) {
  return PAGES.filter((it) => !it.admin || user?.role === 'admin')
}
