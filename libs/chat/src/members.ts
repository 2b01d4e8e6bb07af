/**
 * SQL: a member's present status, given an alias of `chat.member`. A mute or ban whose time is over counts as `active`, also before its row is updated.
 */
export const statusNow = (member: string): string =>
  `case when ${member}.status = 'muted' and ${member}.muted_until <= clock_timestamp() or ${member}.status = 'banned' and ${member}.banned_until <= clock_timestamp() then 'active' else ${member}.status end`;

/** SQL: true for a present member, who has not left and is not banned, given an alias of `chat.member`. */
export const isMemberNow = (member: string): string =>
  `${member}.left_at is null and not (${member}.status = 'banned' and (${member}.banned_until is null or ${member}.banned_until > clock_timestamp()))`;
