import { expect, it } from 'vitest'
import { deviceOf } from '~/pages/account/device'

const WEBKIT = 'AppleWebKit/537.36 (KHTML, like Gecko)'

it.each([
  [`Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${WEBKIT} Chrome/150.0.0.0 Safari/537.36`, 'Chrome · Windows'],
  [`Mozilla/5.0 (Windows NT 10.0) ${WEBKIT} Chrome/150.0.0.0 Safari/537.36 Edg/150.0.0.0`, 'Edge · Windows'],
  [
    `Mozilla/5.0 (Linux; Android 16; Pixel) ${WEBKIT} Chrome/150.0.0.0 Mobile Safari/537.36`,
    'Chrome · Android',
  ],
  ['Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0', 'Firefox · Linux'],
  [
    `Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) ${WEBKIT} Version/19.0 Safari/604.1`,
    'Safari · iPhone',
  ],
  ['curl/8.14.1', 'curl/8.14.1'],
])('%s is %s', (userAgent, device) => expect(deviceOf(userAgent)).toBe(device))
