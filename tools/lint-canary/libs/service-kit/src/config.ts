// breaks: nothing
export const secret = process.env.SECRET;
