/** What depends on the language of the page: texts, money and times. */

import { createContext, type ReactNode, useContext, useMemo } from 'react'
import * as moneyFormats from '~/format/money'
import * as timeFormats from '~/format/time'
import { currentShop } from '~/session/session'
import { useNow } from '~/ui/useNow'
import type { Texts } from './en'
import type { Language } from './language'

type Spoken = { texts: Texts; locale: string }
// `Speaking` is around everything.
const Context = createContext({} as Spoken)

export function Speaking(props: { language: Language; texts: Texts; children: ReactNode }) {
  const { language, texts } = props
  const value = useMemo(() => ({ texts, locale: localeOf(language) }), [language, texts])
  return <Context value={value}>{props.children}</Context>
}

/** The language with the region of the browser, which decides how numbers and dates look. */
function localeOf(language: Language): string {
  return navigator.languages.find((it) => it.startsWith(language)) ?? language
}

export function useTexts(): Texts {
  return useContext(Context).texts
}

/** Functions that format values for the reader. */
export function useFormats() {
  const { locale } = useContext(Context)
  const now = useNow(30_000)
  const zone = currentShop()?.time_zone
  return useMemo(
    () => ({
      money: (amount: string, currency: string) => moneyFormats.money(amount, currency, locale),
      shortMoney: (amount: string | number, currency: string) =>
        moneyFormats.shortMoney(amount, currency, locale),
      count: (value: number) => moneyFormats.count(value, locale),
      dateTime: (time: string) => timeFormats.dateTime(time, locale, zone),
      exact: (time: string) => timeFormats.exact(time, locale),
      fullDay: (time: string) => timeFormats.fullDay(time, locale),
      day: (date: string) => timeFormats.day(date, locale),
      ago: (time: string) => timeFormats.ago(time, locale, now, zone),
      today: timeFormats.today(now, zone),
      locale,
    }),
    [locale, now, zone],
  )
}
