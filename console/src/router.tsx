/** The pages and their addresses. The state of a page that is worth a link is in its search parameters. */

import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router'
import type { OrderStatus } from './api/client'
import { Problem } from './api/problem'
import { Shell } from './shell/Shell'
import { Failed } from './ui/problems'

type Search = Record<string, unknown>

function text<Name extends string>(search: Search, ...names: Name[]): Partial<Record<Name, string>> {
  const found: Partial<Record<Name, string>> = {}
  for (const name of names) {
    const value = search[name]
    if (typeof value === 'string' && value) found[name] = value
  }
  return found
}

const STATUSES = ['pending', 'confirmed', 'shipped', 'delivered', 'returned', 'cancelled', 'expired']

export type OrdersSearch = { q?: string; status?: string; from?: string; to?: string; customer?: string }

export type ReportsSearch = { from?: string; to?: string; group?: string }

export type UsersSearch = { q?: string; role?: string; status?: string }
export type AuditSearch = { actor?: string; action?: string; target?: string; from?: string; to?: string }
export type ProductsSearch = { view?: string; q?: string; category?: string; sort?: string }
type Maybe<Name extends string> = { [name in Name]?: string | undefined }
export type WebhookSearch = Maybe<'status' | 'delivery'>
export type EventsSearch = Maybe<'view' | 'type' | 'after' | 'event'>
export type ExportsSearch = Maybe<'tab' | 'create'>

/** The statuses of a search, which are separated by commas. Unknown ones are ignored. */
export function statusesOf(search: OrdersSearch): OrderStatus[] {
  return (search.status ?? '').split(',').filter((it) => STATUSES.includes(it)) as OrderStatus[]
}

const root = createRootRoute({
  component: Shell,
  notFoundComponent: () => <Failed error={new Problem(404, {})} />,
  errorComponent: ({ error, reset }) => <Failed error={error} retry={reset} />,
})

const routes = [
  createRoute({
    getParentRoute: () => root,
    path: '/',
    component: lazyRouteComponent(() => import('./pages/home/Home'), 'Home'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/orders',
    validateSearch: (search: Search): OrdersSearch => text(search, 'q', 'status', 'from', 'to', 'customer'),
    component: lazyRouteComponent(() => import('./pages/orders/Orders'), 'Orders'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/orders/$id',
    component: lazyRouteComponent(() => import('./pages/orders/Order'), 'OrderPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/products',
    validateSearch: (search: Search): ProductsSearch => text(search, 'view', 'q', 'category', 'sort'),
    component: lazyRouteComponent(() => import('./pages/products/Products'), 'Products'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/products/new',
    component: lazyRouteComponent(() => import('./pages/products/NewProduct'), 'NewProductPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/products/$id',
    component: lazyRouteComponent(() => import('./pages/products/Product'), 'ProductPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/stock-count',
    component: lazyRouteComponent(() => import('./pages/stock-count/StockCount'), 'StockCount'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/reports',
    validateSearch: (search: Search): ReportsSearch => text(search, 'from', 'to', 'group'),
    component: lazyRouteComponent(() => import('./pages/reports/Reports'), 'Reports'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/exports',
    validateSearch: (search: Search): ExportsSearch => text(search, 'tab', 'create'),
    component: lazyRouteComponent(() => import('./pages/exports/Exports'), 'Exports'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/exports/$id',
    component: lazyRouteComponent(() => import('./pages/exports/Export'), 'ExportPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/webhooks',
    component: lazyRouteComponent(() => import('./pages/webhooks/Webhooks'), 'Webhooks'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/webhooks/$id',
    validateSearch: (search: Search): WebhookSearch => text(search, 'status', 'delivery'),
    component: lazyRouteComponent(() => import('./pages/webhooks/Webhook'), 'WebhookPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/events',
    validateSearch: (search: Search): EventsSearch => text(search, 'view', 'type', 'after', 'event'),
    component: lazyRouteComponent(() => import('./pages/events/Events'), 'Events'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/users',
    validateSearch: (search: Search): UsersSearch => text(search, 'q', 'role', 'status'),
    component: lazyRouteComponent(() => import('./pages/users/Users'), 'Users'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/users/$id',
    component: lazyRouteComponent(() => import('./pages/users/User'), 'UserPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/audit',
    validateSearch: (search: Search): AuditSearch => text(search, 'actor', 'action', 'target', 'from', 'to'),
    component: lazyRouteComponent(() => import('./pages/audit/Audit'), 'Audit'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/stock-check',
    component: lazyRouteComponent(() => import('./pages/stock-check/StockCheck'), 'StockCheck'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/account',
    component: lazyRouteComponent(() => import('./pages/account/Account'), 'Account'),
  }),
] as const

export const router = createRouter({
  routeTree: root.addChildren(routes),
  defaultPreload: 'intent',
  scrollRestoration: true,
  // Plain parameters, which people can read and write: ?status=pending,confirmed
  parseSearch: (search) => Object.fromEntries(new URLSearchParams(search)),
  stringifySearch: (search) => {
    const values = Object.entries(search).filter(([, value]) => value !== undefined && value !== '')
    const found = new URLSearchParams(values.map(([name, value]) => [name, String(value)])).toString()
    return found && `?${found.replaceAll('%2C', ',')}`
  },
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
