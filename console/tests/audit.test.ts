import { expect, it } from 'vitest'
import { pageOf } from '~/pages/audit/audit'

it.each([
  ['product#4', '/products/4'],
  ['user#0C8Z4V6T', '/users/0C8Z4V6T'],
  ['service-key#01NGXF', '/keys'],
  ['session#01NGXF', null],
  ['GET /api/v1/admin/users', null],
  ['product#a/b', '/products/a%2Fb'],
])('the page about %s is %s', (target, page) => expect(pageOf(target)).toBe(page))
