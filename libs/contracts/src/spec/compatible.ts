/** The part of a JSON schema that zod writes for the contracts. */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly enum?: readonly unknown[];
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
}

const upper = ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems'] as const;
const lower = ['minimum', 'exclusiveMinimum', 'minLength', 'minItems'] as const;
const same = ['type', 'format', 'pattern', 'const'] as const;

/**
 * Returns the reasons, with paths, why schema `now` may reject input that `then` accepted. May report false positives.
 */
export function narrowed(then: JsonSchema, now: JsonSchema, at = ''): string[] {
  if (Object.keys(now).every((keyword) => keyword === '$schema' || keyword === 'description')) return [];
  const [options, allowed] = [then.anyOf ?? then.oneOf, now.anyOf ?? now.oneOf];
  if (options) return options.flatMap((option, n) => narrowed(option, now, `${at}(${n})`));
  if (allowed)
    return allowed.some((option) => narrowed(then, option, at).length === 0) ? [] : [`${at}: no option accepts it`];
  const values = then.enum ?? ('const' in then ? [then['const']] : undefined);
  if (values && now.enum)
    return values
      .filter((value) => !now.enum!.includes(value))
      .map((value) => `${at}: ${String(value)} is no longer allowed`);
  return [
    ...same
      .filter((keyword) => keyword in now && JSON.stringify(now[keyword]) !== JSON.stringify(then[keyword]))
      .map((keyword) => `${at}: ${keyword} differs`),
    ...(now.enum && !values ? [`${at}: only some values are allowed now`] : []),
    ...upper
      .filter((keyword) => keyword in now && !(Number(now[keyword]) >= Number(then[keyword])))
      .map((keyword) => `${at}: ${keyword} is lower`),
    ...lower
      .filter(
        (keyword) => keyword in now && !(Number(now[keyword]) <= Number(then[keyword] ?? Number.NEGATIVE_INFINITY)),
      )
      .map((keyword) => `${at}: ${keyword} is higher`),
    ...(now.required ?? [])
      .filter((name) => !(then.required ?? []).includes(name))
      .map((name) => `${at}.${name}: is required now`),
    ...Object.entries(then.properties ?? {}).flatMap(([name, property]) =>
      now.properties?.[name]
        ? narrowed(property, now.properties[name], `${at}.${name}`)
        : [`${at}.${name}: is no longer read`],
    ),
    ...(then.items && now.items ? narrowed(then.items, now.items, `${at}[]`) : []),
    ...(now.allOf ?? []).flatMap((part, n) =>
      then.allOf?.[n] ? narrowed(then.allOf[n], part, at) : [`${at}: different condition`],
    ),
  ];
}
