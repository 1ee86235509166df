/** How a refusal of the API is shown: in a message, in the place of data that could not be read, or beside a field. */

import { Problem } from '~/api/problem'
import { useTexts } from '~/texts'
import type { Texts } from '~/texts/en'
import { Empty } from './Empty'
import { say } from './toast'

/** Returns the message for the user, in the user's language where the text has one. */
export function explain(error: unknown, texts: Texts): { text: string; detail: string } {
  if (!(error instanceof Problem)) return { text: texts.problem.title, detail: String(error) }
  const detail = error.requestId ? texts.problem.request(error.requestId) : ''
  if (error.code === 'offline') return { text: texts.problem.offline, detail }
  if (error.status === 412) return { text: texts.problem.stale, detail }
  if (error.status === 429 && error.retryAfterSeconds !== null)
    return { text: texts.problem.wait(error.retryAfterSeconds), detail }
  if (error.status === 403) return { text: texts.problem.forbidden, detail }
  const [first] = Object.entries(error.fieldErrors)
  const text = first ? `${error.message} ${first[0]}: ${first[1]}` : error.message
  return { text: text || texts.problem.title, detail }
}

export function complain(error: unknown, texts: Texts): void {
  const { text, detail } = explain(error, texts)
  say(text, { detail, bad: true })
}

/** The message of a refusal, in a form. */
export function Refusal(props: { error: Error }) {
  return (
    <p className="error" role="alert">
      {explain(props.error, useTexts()).text}
    </p>
  )
}

/** Is shown in the place of data that could not be read. */
export function Failed(props: { error: unknown; retry?: () => void }) {
  const texts = useTexts()
  const missing = props.error instanceof Problem && props.error.status === 404
  const { text, detail } = explain(props.error, texts)
  return (
    <Empty
      title={missing ? texts.problem.notFound : text}
      lead={missing ? texts.problem.notFoundLead : detail}
      action={
        props.retry && !missing ? (
          <button type="button" className="button" onClick={props.retry}>
            {texts.common.retry}
          </button>
        ) : undefined
      }
    />
  )
}
