/** The script of each page by its address, which is loaded when the page is opened. */

export const LOAD = {
  '/': () => import('./home/Home'),
  '/orders': () => import('./orders/Orders'),
  '/orders/$id': () => import('./orders/Order'),
  '/products': () => import('./products/Products'),
  '/products/new': () => import('./products/NewProduct'),
  '/products/$id': () => import('./products/Product'),
  '/stock-count': () => import('./stock-count/StockCount'),
  '/reports': () => import('./reports/Reports'),
  '/exports': () => import('./exports/Exports'),
  '/exports/$id': () => import('./exports/Export'),
  '/imports': () => import('./imports/Imports'),
  '/webhooks': () => import('./webhooks/Webhooks'),
  '/webhooks/$id': () => import('./webhooks/Webhook'),
  '/events': () => import('./events/Events'),
  '/users': () => import('./users/Users'),
  '/users/$id': () => import('./users/User'),
  '/keys': () => import('./keys/Keys'),
  '/requests': () => import('./requests/Requests'),
  '/audit': () => import('./audit/Audit'),
  '/stock-check': () => import('./stock-check/StockCheck'),
  '/account': () => import('./account/Account'),
}

/** Loads the page of an address, if there is one. */
export async function loadPage(path: string): Promise<void> {
  const fits = (pattern: string) => new RegExp(`^${pattern.replaceAll(/\$\w+/g, '[^/]+')}$`).test(path)
  await Object.entries(LOAD).find(([pattern]) => fits(pattern))?.[1]()
}
