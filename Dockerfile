# One image for each part:
#   docker build --build-arg APP=gateway -t parley-gateway .        APP: gateway, auth, messages, history, presence, admin, or standalone
# Without APP it is embedded mode with its data in /data:
#   docker build -t parley . && docker run -p 3000:3000 -v parley:/data parley
# npm uses whatever registry the build machine's image is configured for; nothing about it is kept.

# The manifests alone, so that the dependencies are installed again only when one of them changes.
FROM node:24-bookworm-slim AS manifests
WORKDIR /app
COPY . .
RUN find . -type f ! -name package.json ! -name package-lock.json ! -name .npmrc -delete && find . -type d -empty -delete

# Everything is compiled once, whatever the image is for.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY --from=manifests /app ./
RUN npm ci
COPY . .
RUN npx tsc -b apps/admin && npx vite build apps/web

# What this one app needs at run time: its packages, and those of this repository that it leads to. libs/testing leads to no app; without it npm leaves out what only tests need.
FROM node:24-bookworm-slim AS production
ARG APP=standalone
WORKDIR /app
COPY --from=manifests /app ./
RUN rm -r libs/testing && npm ci --omit=dev --ignore-scripts --workspace "apps/$APP" && npm cache clean --force \
 && find node_modules \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -type f -delete
COPY --from=build /app/libs /built/libs
COPY --from=build /app/apps /built/apps
RUN mkdir /image && cp -r package.json node_modules /image && for name in $(ls node_modules/@parley) "$APP"; do \
      part=$(cd /built && ls -d "libs/$name" "apps/$name" 2>/dev/null | head -1) && mkdir -p "/image/$part" && cp -r "/built/$part/package.json" "/built/$part/dist" "/image/$part/"; \
      if [ -d "$part/node_modules" ]; then cp -r "$part/node_modules" "/image/$part/"; fi; \
    done \
 && case "$APP" in gateway|standalone) mkdir -p /image/apps/web && cp -r /built/apps/web/dist /image/apps/web/ ;; esac \
 && find /image/libs /image/apps \( -name '*.map' -o -name '*.d.ts' -o -name '.tsbuildinfo' \) -type f -delete && rm -rf /image/libs/*/dist/spec /image/apps/*/dist/spec \
 && ln -s "apps/$APP/dist/main.js" /image/main.js

FROM node:24-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 HEALTH_HOST=0.0.0.0 HEALTH_PORT=9090 DATA_DIR=/data FILES_DIR=/data/files
WORKDIR /app
RUN mkdir /data && chown node:node /data
COPY --from=production /image ./
USER node
VOLUME /data
EXPOSE 3000 9090
# No shell is needed, neither to start nor to look whether it is ready.
HEALTHCHECK --interval=10s --timeout=5s --retries=3 --start-period=60s CMD ["node", "libs/service-kit/dist/healthcheck.js"]
ENTRYPOINT ["node"]
CMD ["main.js"]
