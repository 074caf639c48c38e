FROM busybox AS a
RUN mkdir /w && echo 1 > /w/one.txt && echo 2 > /w/two.txt
FROM busybox
COPY --from=a /w/ /dir/
COPY file /dir/
