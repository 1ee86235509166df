import type { Schemas } from '~/api/client'

/** The lines of an address as they are written on a parcel. */
export function linesOf(address: Schemas['AddressResponse']): string[] {
  const { name, company, line1, line2, postal_code, city, region, country } = address
  const place = [postal_code, city].filter(Boolean).join(' ')
  const area = [region, country].filter(Boolean).join(', ')
  return [name, company, line1, line2, place, area].filter((it): it is string => !!it)
}

/** A link that writes to an e-mail address. A guest chose it, and it may have `?` and `&`, which would begin fields. */
export function mailTo(email: string): string {
  const at = email.lastIndexOf('@')
  return `mailto:${encodeURIComponent(email.slice(0, at))}${email.slice(at)}`
}
