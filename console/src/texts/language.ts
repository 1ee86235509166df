/** The language of the page, and its texts. */

import type { Texts } from './en'

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

export async function loadTexts(language: Language): Promise<Texts> {
  return language === 'de' ? (await import('./de')).de : (await import('./en')).en
}
