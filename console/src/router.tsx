/** The pages and their addresses. The state of a page that is worth a link is in its search parameters. */

import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router'
import { Problem } from './api/problem'
import { searchOf } from './api/query'
import { LOAD } from './pages/load'
import type { OrdersSearch } from './pages/orders/query'
import type { ProductsSearch } from './pages/products/query'
import type { RequestsSearch } from './pages/requests/requests'
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

export type ReportsSearch = { from?: string; to?: string; group?: string }

export type UsersSearch = { q?: string; role?: string; status?: string }
export type AuditSearch = { actor?: string; action?: string; target?: string; from?: string; to?: string }
type Maybe<Name extends string> = { [name in Name]?: string | undefined }
export type WebhookSearch = Maybe<'status' | 'delivery'>
export type EventsSearch = Maybe<'view' | 'type' | 'after' | 'event'>
export type ExportsSearch = Maybe<'tab' | 'create'>

const root = createRootRoute({
  component: Shell,
  notFoundComponent: () => <Failed error={new Problem(404, {})} />,
  errorComponent: ({ error, reset }) => <Failed error={error} retry={reset} />,
})

const routes = [
  createRoute({
    getParentRoute: () => root,
    path: '/',
    component: lazyRouteComponent(LOAD['/'], 'Home'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/orders',
    validateSearch: (search: Search): OrdersSearch =>
      text(search, 'q', 'by', 'status', 'from', 'to', 'customer'),
    component: lazyRouteComponent(LOAD['/orders'], 'Orders'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/orders/$id',
    component: lazyRouteComponent(LOAD['/orders/$id'], 'OrderPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/products',
    validateSearch: (search: Search): ProductsSearch => text(search, 'view', 'q', 'category', 'sort'),
    component: lazyRouteComponent(LOAD['/products'], 'Products'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/products/new',
    component: lazyRouteComponent(LOAD['/products/new'], 'NewProductPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/products/$id',
    component: lazyRouteComponent(LOAD['/products/$id'], 'ProductPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/stock-count',
    component: lazyRouteComponent(LOAD['/stock-count'], 'StockCount'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/reports',
    validateSearch: (search: Search): ReportsSearch => text(search, 'from', 'to', 'group'),
    component: lazyRouteComponent(LOAD['/reports'], 'Reports'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/exports',
    validateSearch: (search: Search): ExportsSearch => text(search, 'tab', 'create'),
    component: lazyRouteComponent(LOAD['/exports'], 'Exports'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/exports/$id',
    component: lazyRouteComponent(LOAD['/exports/$id'], 'ExportPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/imports',
    component: lazyRouteComponent(LOAD['/imports'], 'Imports'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/webhooks',
    component: lazyRouteComponent(LOAD['/webhooks'], 'Webhooks'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/webhooks/$id',
    validateSearch: (search: Search): WebhookSearch => text(search, 'status', 'delivery'),
    component: lazyRouteComponent(LOAD['/webhooks/$id'], 'WebhookPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/events',
    validateSearch: (search: Search): EventsSearch => text(search, 'view', 'type', 'after', 'event'),
    component: lazyRouteComponent(LOAD['/events'], 'Events'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/users',
    validateSearch: (search: Search): UsersSearch => text(search, 'q', 'role', 'status'),
    component: lazyRouteComponent(LOAD['/users'], 'Users'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/users/$id',
    component: lazyRouteComponent(LOAD['/users/$id'], 'UserPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/keys',
    component: lazyRouteComponent(LOAD['/keys'], 'Keys'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/requests',
    validateSearch: (search: Search): RequestsSearch =>
      text(search, 'key', 'actor', 'status', 'operation', 'id', 'from', 'to'),
    component: lazyRouteComponent(LOAD['/requests'], 'Requests'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/audit',
    validateSearch: (search: Search): AuditSearch => text(search, 'actor', 'action', 'target', 'from', 'to'),
    component: lazyRouteComponent(LOAD['/audit'], 'Audit'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/stock-check',
    component: lazyRouteComponent(LOAD['/stock-check'], 'StockCheck'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/account',
    component: lazyRouteComponent(LOAD['/account'], 'Account'),
  }),
] as const

export const router = createRouter({
  routeTree: root.addChildren(routes),
  defaultPreload: 'intent',
  scrollRestoration: true,
  parseSearch: searchOf,
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
