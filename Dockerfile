# One image for all parts; the command picks which. Without a command it is embedded mode with its data in /data:
#   docker run -p 3000:3000 -v parley:/data parley
# npm uses whatever registry the build machine's image is configured for; nothing about it is kept.

# The manifests alone, so that the dependencies are installed again only when one of them changes.
FROM node:24-bookworm-slim AS manifests
WORKDIR /app
COPY . .
RUN find . -type f ! -name package.json ! -name package-lock.json ! -name .npmrc -delete && find . -type d -empty -delete

# What the apps need at run time: no compiler, no test tools.
FROM node:24-bookworm-slim AS production
WORKDIR /app
COPY --from=manifests /app ./
# libs/testing leads to no app; without it npm leaves out what only tests need.
RUN rm -r libs/testing && npm ci --omit=dev --ignore-scripts && npm cache clean --force

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY --from=manifests /app ./
RUN npm ci
COPY . .
RUN npx tsc -b apps/standalone && mkdir /built && cp -r --parents libs/*/dist apps/*/dist /built && find /built -name '*.d.ts' -delete -o -name '.tsbuildinfo' -delete

FROM node:24-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 HEALTH_HOST=0.0.0.0 HEALTH_PORT=9090 DATA_DIR=/data FILES_DIR=/data/files
WORKDIR /app
COPY --from=production /app ./
COPY --from=build /built ./
RUN mkdir /data /accounts && chown node:node /data /accounts
USER node
VOLUME /data
EXPOSE 3000 9090
CMD ["node", "apps/standalone/dist/main.js"]
