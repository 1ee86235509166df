import type { Schemas } from '~/api/client'

/** The lines of an address as they are written on a parcel. */
export function linesOf(address: Schemas['AddressResponse']): string[] {
  const { name, company, line1, line2, postal_code, city, region, country } = address
  const place = [postal_code, city].filter(Boolean).join(' ')
  const area = [region, country].filter(Boolean).join(', ')
  return [name, company, line1, line2, place, area].filter((it): it is string => !!it)
}
