/** The language of the page, and what depends on it: texts, money and times. */

import { createContext, type ReactNode, useContext, useMemo } from 'react'
import * as moneyFormats from '~/format/money'
import * as timeFormats from '~/format/time'
import { currentShop } from '~/session/session'
import { useNow } from '~/ui/useNow'
import { en, type Texts } from './en'

export const LANGUAGES = { en: 'English', de: 'Deutsch' }
export type Language = keyof typeof LANGUAGES
const STORED = 'oms.language'

/** Returns the chosen language, or that of the browser. */
export function chosenLanguage(): Language {
  const stored = localStorage.getItem(STORED)
  if (stored && stored in LANGUAGES) return stored as Language
  return navigator.language.startsWith('de') ? 'de' : 'en'
}

export function chooseLanguage(language: Language): void {
  localStorage.setItem(STORED, language)
  location.reload()
}

export async function load(language: Language): Promise<Texts> {
  return language === 'de' ? (await import('./de')).de : en
}

type Spoken = { texts: Texts; locale: string }
const Context = createContext<Spoken>({ texts: en, locale: 'en' })

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
