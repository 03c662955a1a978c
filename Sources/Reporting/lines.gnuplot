# Lines and points: one block of data per series, with x, y.
{{> style}}
{{#series}}
$series{{number}} << EOD
{{#points}}
{{.}}
{{/points}}
EOD
{{/series}}
plot {{#series}}$series{{number}} using 1:2 with {{drawnAs}} linewidth {{lineWidth}} dashtype {{dashType}} pointtype {{pointType}} pointsize 0.45 linecolor rgb '{{colour}}'{{^last()}}, \
  {{/last()}}{{/series}}
