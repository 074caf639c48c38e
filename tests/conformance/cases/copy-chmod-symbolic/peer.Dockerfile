FROM busybox
COPY --chmod=755 file /1
COPY --chmod=715 file /2
COPY dir /3
RUN chmod -R go= /3
COPY --chmod=4755 exec /4
COPY --chmod=664 file /5
COPY dir /6
RUN chmod 555 /6 /6/b && chmod 444 /6/a /6/.hidden /6/b/c
